//! The advisory lock of an environment: makes two runs at once polite. Correctness never depends on it.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Clock;
use crate::base::ident::Identifier;
use crate::store::catalog::environment_folder;
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::warehouse::Warehouse;

/// How often a waiting run tries again.
const RETRY: Duration = Duration::from_millis(100);

/// Who holds a lock: written into the lock's file for those who wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderInfo {
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// What is being run, without secrets.
    pub command: String,
    /// Since when.
    pub started: String,
}

impl HolderInfo {
    fn describe(&self) -> String {
        format!("`{}` (process {} on {}, since {})", self.command, self.pid, self.host, self.started)
    }
}

/// A lock that is held; dropping it releases it. So does the end of the process, however it ends.
#[derive(Debug)]
pub struct EnvLock {
    /// `None` where there is nothing to lock: on object stores and on file systems without locks.
    file: Option<File>,
}

impl EnvLock {
    /// Takes the lock of an environment, waiting as long as allowed; `on_wait` is told once who holds it.
    pub async fn acquire(
        warehouse: &Warehouse,
        environment: &Identifier,
        wait: Duration,
        holder: &HolderInfo,
        on_wait: impl Fn(&str),
    ) -> Result<Self, StoreError> {
        let Some(path) = warehouse.disk(&format!("{}.lock", environment_folder(environment))) else {
            return Ok(Self { file: None });
        };
        let mut file = local::open_lock(&path).map_err(StoreError::io("open the lock", path.display()))?;
        let clock = Clock::new(None);
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                    tracing::warn!(path = %path.display(), "the file system has no locks; going on without");
                    return Ok(Self { file: None });
                }
                Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path.display())(error)),
            }
            let waited = clock.elapsed();
            if waited >= wait {
                let (environment, holder) = (environment.to_string(), describe_holder(&mut file).await);
                return Err(StoreError::Locked { environment, holder, waited });
            }
            if !is_told {
                is_told = true;
                on_wait(&describe_holder(&mut file).await);
            }
            tokio::time::sleep(RETRY.min(wait.saturating_sub(waited))).await;
        }
        let text = serde_json::to_string(holder).unwrap_or_default();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(StoreError::io("write the lock", path.display()))?;
        Ok(Self { file: Some(file) })
    }
}

impl Drop for EnvLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Closing the file releases the lock; an old holder's name in it would only mislead.
            let _ = file.set_len(0);
        }
    }
}

/// Who holds a lock. A holder writes its name just after it has taken the lock, so it may take a moment to be there.
async fn describe_holder(file: &mut File) -> String {
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
        if let Some(holder) = read.ok().and_then(|_| serde_json::from_str::<HolderInfo>(&text).ok()) {
            return holder.describe();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    "another process".to_owned()
}
