//! Ctrl-C and SIGTERM: the first one asks the run to stop; a second one, or too long a wait, ends the process.
//!
//! Signals are awaited on a thread of their own, because queries may keep all threads of the runtime busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::base::diagnostic::Diagnostic;
use crate::cli::Outcome;
use crate::cli::printer::Printer;

/// How long a run may take to stop: it promises to end within five seconds.
const GRACE: Duration = Duration::from_secs(4);

/// What the rest of the program sees of signals.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Becomes true when the run shall stop.
    pub stop: watch::Receiver<bool>,
    terminated: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to listen. Without a thread for it, signals do what the system does with them.
    pub fn listen(printer: Arc<Printer>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let terminated = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&terminated);
        let listening = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(wait(&stop, &flag, &printer));
            }
        });
        if let Err(error) = listening {
            tracing::warn!(%error, "signals are not listened to");
        }
        Self { stop: stopped, terminated }
    }

    /// The outcome of an interrupted run says which signal it was.
    pub fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Interrupted if self.terminated.load(Ordering::Relaxed) => Outcome::Terminated,
            other => other,
        }
    }
}

async fn wait(stop: &watch::Sender<bool>, terminated: &AtomicBool, printer: &Printer) {
    let outcome = next().await;
    terminated.store(outcome == Outcome::Terminated, Ordering::Relaxed);
    let _ = stop.send(true);
    tokio::select! {
        _ = next() => {}
        () = tokio::time::sleep(GRACE) => printer.diagnostic(
            &Diagnostic::error("interrupted", "ended while a query was still running")
                .with_hint("run again: published tables are whole, what was not published is made anew"),
        ),
    }
    exit(outcome);
}

/// Waits for a signal; what cannot be listened to never comes.
async fn next() -> Outcome {
    tokio::select! {
        () = interrupt() => Outcome::Interrupted,
        () = terminate() => Outcome::Terminated,
    }
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}

#[expect(clippy::exit, reason = "asked twice, or out of time; nothing published is at risk")]
fn exit(outcome: Outcome) {
    std::process::exit(i32::from(outcome.code()));
}
