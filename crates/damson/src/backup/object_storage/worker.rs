//! A thread that talks to object storage while its caller waits. Backups are made by code that blocks, and that may
//! itself be called where a runtime is at work.

use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

pub(super) struct Worker(Option<Runtime>);

impl Worker {
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("object-storage")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs it to its end.
    pub fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = mpsc::sync_channel(1);
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        runtime.spawn(async move {
            // Nobody else waits.
            let _ = tell.send(work.await);
        });
        told.recv().expect("it ends with an answer, unless it panics")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // To wait for its end would panic where a runtime is at work.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
