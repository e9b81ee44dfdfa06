//! Brings packages to this machine: entries of the index and archives over HTTP, repositories by the system's git.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value as Json;

use crate::base::fs;
use crate::base::limits;
use crate::deps::DepsError;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// How often a request is made before it has failed.
const TRIES: u32 = 3;

/// What was fetched, for one invocation.
#[derive(Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    /// Address of the index, with a `/` at its end.
    index: String,
    /// A folder for what is fetched.
    folder: PathBuf,
    entries: BTreeMap<String, Json>,
    count: usize,
}

impl Fetcher {
    /// A fetcher that uses an index and a folder, which the caller removes.
    pub fn new(index: &str, folder: PathBuf) -> Result<Self, DepsError> {
        fs::create_dir_all(&folder)?;
        let client = reqwest::Client::builder().connect_timeout(SILENCE).read_timeout(SILENCE).build();
        let client = client.map_err(|error| DepsError::Unreachable { what: index.to_owned(), why: cause(&error) })?;
        let index = if index.ends_with('/') { index.to_owned() } else { format!("{index}/") };
        Ok(Self { client, index, folder, entries: BTreeMap::new(), count: 0 })
    }

    /// A new place below the folder.
    fn place(&mut self) -> PathBuf {
        self.count += 1;
        self.folder.join(self.count.to_string())
    }

    /// All versions of a package of the index: an object by version.
    pub async fn versions(&mut self, name: &str) -> Result<Json, DepsError> {
        if let Some(known) = self.entries.get(name) {
            return Ok(known.clone());
        }
        let url = format!("{}api/v1/{name}.json", self.index);
        let bytes = match self.get(&url).await {
            Ok(bytes) => bytes,
            Err(DepsError::Missing { .. }) => {
                let names = self.get(&format!("{}api/v1/index.json", self.index)).await;
                let names: Vec<String> =
                    names.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
                let near = crate::base::diagnostic::did_you_mean(name, names.iter().map(String::as_str));
                let (package, near) = (name.to_owned(), near.map(str::to_owned));
                return Err(DepsError::NotFound { package, index: self.index.clone(), near });
            }
            Err(error) => return Err(error),
        };
        let broken = || DepsError::Broken {
            package: name.to_owned(),
            problem: format!("`{url}` is not an entry of an index of packages"),
        };
        let entry: Json = serde_json::from_slice(&bytes).map_err(|_| broken())?;
        let versions = entry.get("versions").filter(|versions| versions.is_object()).ok_or_else(broken)?;
        self.entries.insert(name.to_owned(), versions.clone());
        Ok(versions.clone())
    }

    async fn get(&self, url: &str) -> Result<Bytes, DepsError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.get_once(url).await {
                Err(DepsError::Unreachable { .. }) if tried < TRIES => {
                    tokio::time::sleep(Duration::from_millis(200) * tried).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn get_once(&self, url: &str) -> Result<Bytes, DepsError> {
        let failed = |why: String| DepsError::Unreachable { what: url.to_owned(), why };
        let mut response = self.client.get(url).send().await.map_err(|error| failed(cause(&error)))?;
        let status = response.status();
        if matches!(status.as_u16(), 404 | 410) {
            return Err(DepsError::Missing { url: url.to_owned() });
        }
        if !status.is_success() {
            return Err(failed(format!("the server answers {status}")));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(cause(&error)))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limits::PACKAGE_BYTES {
                return Err(failed(format!("the answer has more than {} bytes", limits::PACKAGE_BYTES)));
            }
        }
        Ok(bytes.into())
    }

    /// Fetches an archive and unpacks it: the one folder in it.
    pub async fn archive(&mut self, package: &str, url: &str) -> Result<PathBuf, DepsError> {
        let bytes = match self.get(url).await {
            Err(DepsError::Missing { url }) => {
                return Err(DepsError::Broken {
                    package: package.to_owned(),
                    problem: format!("`{url}` is not there"),
                });
            }
            bytes => bytes?,
        };
        let place = self.place();
        let broken = |problem: String| DepsError::Broken { package: package.to_owned(), problem };
        unpack(&bytes, &place).map_err(|problem| broken(format!("`{url}` cannot be unpacked: {problem}")))?;
        match fs::folders(&place)?.as_slice() {
            [only] => Ok(place.join(only)),
            found => Err(broken(format!("`{url}` must hold one folder, but holds {}", found.len()))),
        }
    }

    /// Clones a repository at a revision: its folder and the commit.
    pub async fn repository(&mut self, url: &str, revision: Option<&str>) -> Result<(PathBuf, String), DepsError> {
        let place = self.place();
        let (url, revision) = (url.to_owned(), revision.map(str::to_owned));
        let work = tokio::task::spawn_blocking(move || clone(&url, revision.as_deref(), &place));
        match work.await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(DepsError::Unreachable { what: "git".to_owned(), why: "it was stopped".to_owned() }),
        }
    }
}

/// What is at the bottom of an error, in its own words.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    let text = last.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// Unpacks files and folders; anything else in an archive, such as a link, is left out.
fn unpack(bytes: &[u8], into: &Path) -> Result<(), String> {
    let limited = GzDecoder::new(bytes).take(limits::PACKAGE_BYTES);
    let mut archive = tar::Archive::new(limited);
    archive.set_preserve_permissions(false);
    archive.set_preserve_mtime(false);
    fs::create_dir_all(into).map_err(|error| error.to_string())?;
    for entry in archive.entries().map_err(|error| cause(&error))? {
        let mut entry = entry.map_err(|error| cause(&error))?;
        let kind = entry.header().entry_type();
        if !kind.is_file() && !kind.is_dir() {
            continue;
        }
        // A path that leads out is passed over by the library.
        entry.unpack_in(into).map_err(|error| cause(&error))?;
    }
    Ok(())
}

/// Runs git in a folder; what it printed.
fn git(folder: &Path, url: &str, arguments: &[&str]) -> Result<String, DepsError> {
    let failed = |why: String| DepsError::Unreachable { what: url.to_owned(), why };
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "advice.detachedHead=false", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        // Nobody is there to answer.
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("git cannot be run: {}", cause(&error))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().map(str::trim).find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let line = line.or(said.lines().last()).unwrap_or("git failed");
    Err(failed(line.trim_start_matches("fatal:").trim_start_matches("error:").trim().to_owned()))
}

fn clone(url: &str, revision: Option<&str>, place: &Path) -> Result<(PathBuf, String), DepsError> {
    let revision = revision.unwrap_or("HEAD");
    if url.starts_with('-') || revision.starts_with('-') {
        let problem = "neither an address nor a revision begins with `-`".to_owned();
        return Err(DepsError::Broken { package: url.to_owned(), problem });
    }
    fs::create_dir_all(place)?;
    git(place, url, &["init", "--quiet"])?;
    git(place, url, &["remote", "add", "origin", url])?;
    // Servers may refuse to give a single commit by its hash; then all is fetched.
    if git(place, url, &["fetch", "--quiet", "--depth", "1", "origin", revision]).is_ok() {
        git(place, url, &["checkout", "--quiet", "FETCH_HEAD"])?;
    } else {
        git(place, url, &["fetch", "--quiet", "--tags", "origin"])?;
        let remote = format!("origin/{revision}");
        let found = git(place, url, &["checkout", "--quiet", "--detach", &remote])
            .or_else(|_| git(place, url, &["checkout", "--quiet", "--detach", revision]));
        if found.is_err() {
            let problem = format!("there is no revision `{revision}`");
            return Err(DepsError::Broken { package: url.to_owned(), problem });
        }
    }
    let commit = git(place, url, &["rev-parse", "HEAD"])?;
    Ok((place.to_path_buf(), commit))
}
