//! The memory of a run, and how it is divided.
//!
//! DataFusion's pool counts what operators hold for long: tables of joins and groups, rows that are sorted. It does not
//! count the columns of files that are being written, so these have a share of their own. Another share is left to what
//! nobody counts and what grows with the pool: groups that are copied while they are handed on, batches on their way,
//! memory that the allocator keeps. The program itself comes on top; it does not grow with the data.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// What all that runs at once may hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes }
    }

    /// 60 % of what this process can have (the machine's memory, or that of its control group), so that the system and
    /// what is not counted have room.
    pub fn of_the_machine() -> Self {
        const SHARE: (u64, u64) = (6, 10);
        const FALLBACK: u64 = 4 << 30;
        let memory = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory));
        let limit = system.cgroup_limits().map(|limits| limits.total_memory);
        let least = [Some(system.total_memory()), limit].into_iter().flatten().filter(|bytes| *bytes > 0).min();
        let bytes = least.map_or(FALLBACK, |bytes| bytes / SHARE.1 * SHARE.0);
        Self::new(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The pool of all queries: half. With three quarters a grouping of ten million rows took 1.3 times the limit.
    pub fn queries(self) -> usize {
        self.bytes / 2
    }

    /// What one of `nodes` that run at once may hold of the files that it writes: its part of a quarter.
    pub fn writing_of_one(self, nodes: usize) -> usize {
        self.writing() / nodes.max(1)
    }

    fn writing(self) -> usize {
        self.bytes / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_twice() {
        for (bytes, nodes) in [(0, 0), (1, 1), (1 << 30, 3), (usize::MAX, 7)] {
            let budget = MemoryBudget::new(bytes);
            let writing = budget.writing_of_one(nodes).checked_mul(nodes).unwrap();
            assert!(budget.queries().checked_add(writing).unwrap() <= bytes);
        }
        assert!(MemoryBudget::of_the_machine().bytes > 64 << 20);
    }
}
