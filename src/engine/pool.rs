//! The memory pool of all queries: what can spill never takes all of it.
//!
//! DataFusion's fair pool divides all of its memory among the operators that can spill. When these have it, one that
//! cannot, such as the merge of a sort's own runs, finds nothing, and its query fails though it could have gone on.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

/// The part of the pool, one of so many, that is kept for what cannot spill.
const KEPT_SHARE: usize = 8;

/// A fair pool that keeps a part for what cannot spill: of the rest, each operator that can spill has the same share.
#[derive(Debug)]
pub(super) struct RoomyPool {
    bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many operators can spill.
    spillers: usize,
    /// What these hold.
    spillable: usize,
    /// What the others hold.
    unspillable: usize,
}

impl RoomyPool {
    /// A pool of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, reservation: &MemoryReservation, additional: usize, left: usize) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "Failed to allocate additional {} for {} with {} already allocated for this reservation - {} remain \
             available for the total memory pool: {self}",
            human_readable_size(additional),
            reservation.consumer().name(),
            human_readable_size(reservation.size()),
            human_readable_size(left),
        ))
    }
}

impl fmt::Display for RoomyPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "fair(pool_size: {})", human_readable_size(self.bytes))
    }
}

impl MemoryPool for RoomyPool {
    fn name(&self) -> &'static str {
        "fair"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.state().spillers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut state = self.state();
            state.spillers = state.spillers.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state();
        if reservation.consumer().can_spill() {
            state.spillable += additional;
        } else {
            state.unspillable += additional;
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state();
        let held = if reservation.consumer().can_spill() { &mut state.spillable } else { &mut state.unspillable };
        *held = held.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> EngineResult<()> {
        let mut state = self.state();
        if reservation.consumer().can_spill() {
            // The part that is kept is all that the others may take from these.
            let most = self.bytes - state.unspillable.max(self.bytes / KEPT_SHARE).min(self.bytes);
            let share = most / state.spillers.max(1);
            if reservation.size().saturating_add(additional) > share {
                return Err(self.refuse(reservation, additional, share.saturating_sub(reservation.size())));
            }
            state.spillable += additional;
        } else {
            let left = self.bytes.saturating_sub(state.unspillable + state.spillable);
            if additional > left {
                return Err(self.refuse(reservation, additional, left));
            }
            state.unspillable += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable + state.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_cannot_spill_finds_room() {
        let pool: Arc<dyn MemoryPool> = Arc::new(RoomyPool::new(800));
        let spills = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        let other = MemoryConsumer::new("group").with_can_spill(true).register(&pool);
        spills.try_grow(350).unwrap();
        other.try_grow(350).unwrap();
        let error = other.try_grow(1).unwrap_err().to_string();
        assert!(error.contains("1.0 B for group with 350.0 B"), "{error}");
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(100).unwrap();
        assert!(merge.try_grow(1).is_err());
        // What is given back may be taken again.
        spills.shrink(200);
        assert_eq!(pool.reserved(), 600);
        merge.try_grow(200).unwrap();
        // What the others took is missing to those that spill.
        assert!(spills.try_grow(150).is_err());
        drop(merge);
        spills.try_grow(150).unwrap();
        drop((spills, other));
        assert_eq!(pool.reserved(), 0);
    }
}
