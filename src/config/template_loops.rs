//! Loops of an operator's template come to an end: the numbers that they may count through are limited, and so is the time that
//! trying them may take.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::process::Pid;
use tera::{Error, Kwargs, State, Tera, TeraResult};

/// How many numbers `range` gives in one render, in all: enough for each story of the longest issue, and little enough that a
/// loop within a loop is told before anybody has waited for it.
const NUMBERS: usize = 10_000;

/// How long templates may take that are tried together, of the processor's time where that is known. They take a part of a second.
pub(crate) const TRIAL: Duration = Duration::from_secs(10);

/// For how long they are waited for where the processor has much else to do.
const LONGEST: Duration = Duration::from_secs(60);

/// As much as the main thread has: templates may include each other deeply.
const STACK: usize = 8 << 20;

thread_local! {
    /// How many of them are left in the render that this thread is at.
    static LEFT: Cell<usize> = const { Cell::new(NUMBERS) };
}

/// Templates whose `range` is limited; each render has to be begun.
pub(crate) fn limited_tera() -> Tera {
    let mut tera = Tera::new();
    tera.register_function("range", range);
    tera
}

/// Begins a render on this thread.
pub(crate) fn begin_render() {
    LEFT.set(NUMBERS);
}

/// Tries templates on a thread of their own: one that does not come to an end cannot be stopped, but need not be waited for, and
/// has what nobody else wants of the processor from then on.
///
/// # Errors
/// When there is no thread to be had; of the kind [`io::ErrorKind::TimedOut`] when it takes longer than [`TRIAL`] or `LONGEST`.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (running, ended) = channel();
    let work = move || {
        // It is there for as long as the work goes on.
        let _ = running.send(this_thread());
        let done = work();
        drop(running);
        done
    };
    let thread = std::thread::Builder::new().name("templates".to_owned()).stack_size(STACK).spawn(work)?;
    let id = ended.recv_timeout(TRIAL).ok();
    let began = Instant::now();
    loop {
        let left = TRIAL.saturating_sub(id.and_then(used).unwrap_or_else(|| began.elapsed()));
        if left.is_zero() || began.elapsed() > LONGEST {
            if let Some(id) = id {
                give_way(id);
            }
            return Err(io::ErrorKind::TimedOut.into());
        }
        if ended.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
            return Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    }
}

#[cfg(target_os = "linux")]
fn this_thread() -> Pid {
    rustix::thread::gettid()
}

/// How long a thread of this process has had the processor.
#[cfg(target_os = "linux")]
fn used(thread: Pid) -> Option<Duration> {
    let line = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero())).ok()?;
    line.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Lets a thread have what is left of the processor.
#[cfg(target_os = "linux")]
fn give_way(thread: Pid) {
    if let Err(error) = rustix::process::setpriority_process(Some(thread), 19) {
        tracing::debug!(%error, "a template that does not end keeps its share of the processor");
    }
}

#[cfg(not(target_os = "linux"))]
fn this_thread() {}

#[cfg(not(target_os = "linux"))]
fn used((): ()) -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn give_way((): ()) {}

/// `range(end=3)`, `range(start=3, end=0, step_by=-1)`: the numbers before `end`.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera function")]
fn range(arguments: Kwargs, _: &State<'_>) -> TeraResult<Vec<i64>> {
    let (mut at, end) = (arguments.get::<i64>("start")?.unwrap_or_default(), arguments.must_get::<i64>("end")?);
    let step = arguments.get::<i64>("step_by")?.unwrap_or(1);
    if step == 0 {
        return Err(Error::message("`range` with a `step_by` of 0 does not end"));
    }
    let mut numbers = Vec::new();
    let is_before = |at: i64| if step > 0 { at < end } else { at > end };
    while is_before(at) {
        if numbers.len() == LEFT.get() {
            return Err(Error::message(format!(
                "`range` gives more than {NUMBERS} numbers in one render; a loop over it goes on for too long"
            )));
        }
        numbers.push(at);
        at = at.saturating_add(step);
        if matches!(at, i64::MIN | i64::MAX) {
            break;
        }
    }
    LEFT.set(LEFT.get() - numbers.len());
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tera::Context;

    use super::*;

    fn rendered(template: &str) -> Result<String, String> {
        begin_render();
        limited_tera().render_str(template, &Context::new(), false).map_err(|error| error.to_string())
    }

    #[rstest]
    #[case("end=3", "0 1 2 ")]
    #[case("start=2, end=7, step_by=2", "2 4 6 ")]
    #[case("start=2, end=0, step_by=-1", "2 1 ")]
    #[case("start=3, end=3", "")]
    fn the_numbers_before_the_end_are_given(#[case] arguments: &str, #[case] numbers: &str) {
        let template = format!("{{% for n in range({arguments}) %}}{{{{ n }}}} {{% endfor %}}");
        assert_eq!(rendered(&template).as_deref(), Ok(numbers));
    }

    #[test]
    fn what_would_go_on_for_too_long_is_told_with_its_line_and_the_next_render_begins_anew() {
        let nested = "\n{% for a in range(end=9000) %}\n{% for b in range(end=9000) %}{% endfor %}{% endfor %}";
        let said = rendered(nested).unwrap_err();
        assert!(said.contains("more than 10000 numbers") && said.contains(":3:"), "{said}");
        for one in ["end=9223372036854775807", "start=-1, end=-9223372036854775808, step_by=-1", "end=1, step_by=0"] {
            assert!(rendered(&format!("{{% for n in range({one}) %}}{{% endfor %}}")).is_err(), "{one}");
        }
        assert!(rendered("{% for n in range(end=9000) %}{% endfor %}").is_ok());
    }
}
