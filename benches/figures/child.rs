//! A child process, and what it took.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use wait4::Wait4 as _;

use crate::Result;

/// What one process took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system time of the process over all threads, in seconds.
    pub cpu: f64,
    /// From start to end, in seconds.
    pub wall: f64,
    /// Largest resident set, in bytes.
    pub memory: u64,
}

/// Runs a program in a folder and waits for it. Fails with what the program said unless its exit code is one of
/// `accepted`.
pub fn run<I: AsRef<OsStr>>(program: &Path, folder: &Path, arguments: &[I], accepted: &[i32]) -> Result<Cost> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.env("NO_COLOR", "1").env("DBT_PROFILES_DIR", folder).env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_end(&mut said)?;
    }
    let used = child.wait4()?;
    let wall = started.elapsed().as_secs_f64();
    if !used.status.code().is_some_and(|code| accepted.contains(&code)) {
        let said = String::from_utf8_lossy(&said);
        let end: Vec<&str> = said.lines().rev().take(30).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
        return Err(format!(
            "{} {} ended with {}:\n{}",
            program.display(),
            arguments.join(" "),
            used.status,
            end.join("\n")
        )
        .into());
    }
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    Ok(Cost { cpu, wall, memory: used.rusage.maxrss })
}
