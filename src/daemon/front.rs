//! What the web server shows: the pages of the configuration that is in use. The server itself outlives a change of them.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::keep::{keep, until};
use crate::status::Part;
use crate::web;

/// The pages that are shown now.
#[derive(Clone)]
pub(super) struct Front(Arc<RwLock<Router>>);

impl Front {
    /// Shows these.
    pub(super) fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    /// Shows others from the next request on.
    pub(super) fn show(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// Serves what is shown until it is time to stop, and what had begun is answered.
    pub(super) fn serve(
        &self,
        listener: TcpListener,
        part: Part,
        stopped: watch::Receiver<bool>,
    ) -> std::io::Result<JoinHandle<()>> {
        // A clone for each start, so that a server that fell over does not take the address with it.
        let listener = Arc::new(listener.into_std()?);
        let front = self.clone();
        Ok(tokio::spawn(keep(part, None, stopped, move |part, stopped| {
            let (front, listener) = (front.clone(), Arc::clone(&listener));
            async move {
                let served = async {
                    let listener = TcpListener::from_std(listener.try_clone()?)?;
                    part.works();
                    web::serve(listener, front.router(), until(stopped)).await
                };
                if let Err(error) = served.await {
                    part.fails(error);
                }
            }
        })))
    }

    fn router(&self) -> Router {
        let front = self.clone();
        Router::new().fallback(move |request: Request| front.clone().answer(request))
    }

    async fn answer(self, request: Request) -> Response {
        let router = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let answered: Result<Response, Infallible> = router.oneshot(request).await;
        let Ok(response) = answered;
        response
    }
}
