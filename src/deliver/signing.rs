//! Signing ahead of the connections: on threads of its own, some deliveries at a time, in their order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::message::Job;
use super::run::{Run, Shared};
use crate::dkim::{SignError, Signer};

/// How many are signed at a time: the first ones shall not wait for the last, nor each have its own change of threads.
const TOGETHER: usize = 8;

/// When a delivery is looked at again that could not be signed: it does not go out without.
const LATER: Duration = Duration::from_secs(60);

impl Run {
    /// Signs deliveries and feeds them. A mail keeps the sender that it was made with: whose domain is not signed for any more
    /// gets no signature, which receivers would take for a stranger's.
    pub async fn sign(&self, signer: &Arc<Signer>, jobs: Vec<Job>) {
        let (mut jobs, strange): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| signer.signs_for(job.from().domain()));
        strange.iter().for_each(|job| self.shared.unsigned.note(job, signer.domain()));
        self.offer(strange).await;
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut groups = Vec::with_capacity(jobs.len() / TOGETHER + 1);
        while jobs.len() > TOGETHER {
            let rest = jobs.split_off(TOGETHER);
            groups.push(std::mem::replace(&mut jobs, rest));
        }
        groups.push(jobs);
        let signing = |jobs: Vec<Job>| {
            let (shared, signer) = (Arc::clone(&self.shared), Arc::clone(signer));
            tokio::task::spawn_blocking(move || signed(&shared, &signer, jobs))
        };
        let mut groups = stream::iter(groups).map(signing).buffered(threads);
        while let Some(group) = groups.next().await {
            // It fails when the runtime ends: then what is claimed is free at the next start.
            let Ok((jobs, unsigned)) = group else { return };
            self.offer(jobs).await;
            let mut later = Vec::with_capacity(unsigned.len());
            for (job, error) in &unsigned {
                tracing::error!(%error, delivery = job.row.id, "a message could not be signed; it waits");
                later.push(self.put_off(&job.row, LATER));
            }
            self.recorder.record(later).await;
        }
    }
}

fn signed(shared: &Shared, signer: &Signer, jobs: Vec<Job>) -> (Vec<Job>, Vec<(Job, SignError)>) {
    let (mut done, mut failed) = (Vec::with_capacity(jobs.len()), Vec::new());
    for mut job in jobs {
        match job.sign(signer, &*shared.links, shared.clock.now()) {
            Ok(()) => done.push(job),
            Err(error) => failed.push((job, error)),
        }
    }
    (done, failed)
}
