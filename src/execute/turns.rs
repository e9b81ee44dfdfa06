//! Who runs beside whom: queries share the memory, and one that ran out of it is tried once more when it has all of it.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::engine::session::Variant;

/// The turns of all queries of a run.
#[derive(Debug, Default)]
pub struct Turns {
    lock: RwLock<()>,
}

/// Leave to run, until it is dropped. Whoever has one must not ask for another.
#[derive(Debug)]
pub enum Turn<'a> {
    /// Beside others.
    Shared(RwLockReadGuard<'a, ()>),
    /// Alone.
    Alone(RwLockWriteGuard<'a, ()>),
}

impl Turns {
    /// Waits until a query may run: one that is frugal waits until all others have ended, and they wait for it.
    pub async fn take(&self, variant: Variant) -> Turn<'_> {
        match variant {
            Variant::Frugal => Turn::Alone(self.lock.write().await),
            Variant::Normal | Variant::Ordered => Turn::Shared(self.lock.read().await),
        }
    }
}
