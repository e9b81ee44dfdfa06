//! Blocks are made by many threads and taken by one, in order. What is made ahead is bounded, so memory is too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::failure::Failure;

/// Blocks that one thread may be ahead of the one that is taken.
const AHEAD: usize = 2;

/// Makes the blocks 0, 1 and so on in threads and takes them in this order. The first failure ends it.
pub fn run<T: Send>(
    blocks: usize,
    threads: usize,
    make: impl Fn(usize) -> Result<T, Failure> + Sync,
    mut take: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if threads <= 1 || blocks <= 1 {
        return (0..blocks).try_for_each(|block| take(make(block)?));
    }
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let taken = Mutex::new(0);
    let progress = Condvar::new();
    let (sender, receiver) = sync_channel(threads);
    thread::scope(|scope| {
        for _ in 0..threads.min(blocks) {
            let sender = sender.clone();
            let (next, is_over, taken, progress, make) = (&next, &is_over, &taken, &progress, &make);
            scope.spawn(move || {
                loop {
                    let block = next.fetch_add(1, Ordering::Relaxed);
                    let mut done: MutexGuard<'_, usize> = taken.lock().unwrap_or_else(PoisonError::into_inner);
                    while block >= *done + threads * AHEAD && !is_over.load(Ordering::Relaxed) {
                        done = progress.wait(done).unwrap_or_else(PoisonError::into_inner);
                    }
                    drop(done);
                    if block >= blocks || is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    if sender.send((block, make(block))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut current = 0;
        let mut outcome = Ok(());
        for (block, made) in receiver {
            early.insert(block, made);
            while let Some(made) = early.remove(&current) {
                if outcome.is_ok() {
                    outcome = made.and_then(&mut take);
                }
                current += 1;
            }
            *taken.lock().unwrap_or_else(PoisonError::into_inner) = current;
            if outcome.is_err() {
                is_over.store(true, Ordering::Relaxed);
            }
            progress.notify_all();
        }
        outcome
    })
}
