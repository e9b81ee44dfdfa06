//! Where a source's files are: turns a declared location into a store and a sorted list of files.
//!
//! A location is a path (relative to the project, or absolute) or a URL, with the patterns `*` (within one folder),
//! `**` (any folders), `?`, `[..]` and `{a,b}` in it. `.` and `..` are taken away from the text before anything is
//! looked up, so `a/../b` is `b` even when `a` is a symbolic link. Symbolic links that are met are followed: landing
//! folders may lie anywhere. Hidden files (a leading dot) match only patterns that write the dot. A special character
//! that is meant literally is written in brackets, such as `[[]`.

use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt as _;
use globset::{GlobBuilder, GlobMatcher};
use object_store::local::LocalFileSystem;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use url::Url;

use super::error::{Cause, ExternalError};

/// Finds the object store of a URL such as `s3://bucket`.
pub type StoreLookup = dyn Fn(&Url) -> Result<Arc<dyn ObjectStore>, Cause> + Send + Sync;

/// A location that has been understood, not yet looked up.
pub(super) struct Place {
    location: String,
    pub(super) store: Arc<dyn ObjectStore>,
    /// What precedes the path in the store when a file is shown: `/` or `s3://bucket/`.
    root: String,
    /// The project folder in the store's terms (local only): files inside are shown relative to it.
    project: Option<String>,
    /// Leading folders without a pattern.
    prefix: Vec<String>,
    /// The rest; empty when the location has no pattern.
    rest: Vec<String>,
    matcher: Option<GlobMatcher>,
}

/// The files of a place.
pub(super) struct Found {
    /// The files, ordered by path.
    pub(super) files: Vec<FoundFile>,
}

/// One file of a place.
pub(super) struct FoundFile {
    /// What the store knows of it.
    pub(super) meta: ObjectMeta,
    /// The path that is shown and that `_karat_file` holds.
    pub(super) shown: String,
}

impl Place {
    /// Understands a location.
    pub(super) fn new(location: &str, project_root: &Path, stores: &StoreLookup) -> Result<Self, ExternalError> {
        let bad = |reason: String| ExternalError::Location { location: location.to_owned(), reason };
        let trimmed = location.trim();
        if trimmed.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        if trimmed.chars().any(char::is_control) {
            return Err(bad("it contains a control character".to_owned()));
        }
        let root = project_root_text(project_root)?;
        let (scheme, rest) = match trimmed.split_once("://") {
            Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '-') => {
                (scheme.to_ascii_lowercase(), rest)
            }
            _ => (String::new(), trimmed),
        };
        if scheme.is_empty() || scheme == "file" {
            let mut segments: Vec<(String, bool)> = Vec::new();
            if scheme.is_empty() && !rest.starts_with('/') {
                segments.extend(root.split('/').filter(|part| !part.is_empty()).map(|part| (part.to_owned(), false)));
            } else if !rest.starts_with('/') {
                return Err(bad("a `file://` URL needs an absolute path: `file:///folder/…`".to_owned()));
            }
            for part in rest.split('/') {
                match part {
                    "" | "." => {}
                    ".." => {
                        segments.pop();
                    }
                    part => segments.push((part.to_owned(), has_pattern(part))),
                }
            }
            let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
            return Self::assemble(location, store, "/".to_owned(), Some(root), &segments);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let url = Url::parse(&format!("{scheme}://{authority}"))
            .map_err(|error| bad(format!("`{scheme}://{authority}` is not a URL: {error}")))?;
        let store = stores(&url).map_err(|source| ExternalError::Access {
            action: "open the object store of",
            path: location.to_owned(),
            source,
        })?;
        let segments = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| if part == "." || part == ".." { Err(part) } else { Ok((part.to_owned(), has_pattern(part))) })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|part| bad(format!("a URL cannot contain `{part}`")))?;
        Self::assemble(location, store, format!("{scheme}://{authority}/"), None, &segments)
    }

    fn assemble(
        location: &str,
        store: Arc<dyn ObjectStore>,
        root: String,
        project: Option<String>,
        segments: &[(String, bool)],
    ) -> Result<Self, ExternalError> {
        let bad = |reason: String| ExternalError::Location { location: location.to_owned(), reason };
        if segments.is_empty() {
            return Err(bad("it names no file".to_owned()));
        }
        let first = segments.iter().position(|(_, pattern)| *pattern).unwrap_or(segments.len());
        let names = |part: &[(String, bool)]| part.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let (prefix, rest) = (names(&segments[..first]), names(&segments[first..]));
        let matcher = if rest.is_empty() {
            None
        } else {
            let mut whole: Vec<String> = prefix.iter().map(|name| globset::escape(name)).collect();
            whole.extend(rest.iter().cloned());
            let glob = GlobBuilder::new(&whole.join("/"))
                .literal_separator(true)
                .empty_alternates(true)
                .build()
                .map_err(|error| bad(format!("the pattern is not valid: {}", error.kind())))?;
            Some(glob.compile_matcher())
        };
        Ok(Self { location: location.to_owned(), store, root, project, prefix, rest, matcher })
    }

    /// Looks the files up.
    pub(super) async fn list(&self) -> Result<Found, ExternalError> {
        let failed = |source: object_store::Error| ExternalError::Access {
            action: "list",
            path: self.location.clone(),
            source: Box::new(source),
        };
        let prefix = object_store::path::Path::parse(self.prefix.join("/"))
            .map_err(|error| ExternalError::Location { location: self.location.clone(), reason: error.to_string() })?;
        let mut metas: Vec<ObjectMeta> = Vec::new();
        match &self.matcher {
            None => match self.store.head(&prefix).await {
                Ok(meta) => metas.push(meta),
                Err(object_store::Error::NotFound { .. }) => {
                    if self.store.list(Some(&prefix)).try_next().await.map_err(failed)?.is_some() {
                        return Err(ExternalError::Folder {
                            location: self.location.clone(),
                            example: format!("{}/**/*", self.location.trim_end_matches('/')),
                        });
                    }
                }
                Err(error) => return Err(failed(error)),
            },
            Some(matcher) => {
                let listed = if self.rest.len() == 1 && !self.rest.iter().any(|part| part.contains("**")) {
                    // One folder only: a tree of folders below it need not be walked.
                    self.store.list_with_delimiter(Some(&prefix)).await.map(|result| result.objects).or_else(|error| {
                        match error {
                            object_store::Error::NotFound { .. } => Ok(Vec::new()),
                            error => Err(error),
                        }
                    })
                } else {
                    self.store.list(Some(&prefix)).try_collect().await
                };
                let hidden = self.rest.iter().any(|part| part.starts_with('.'));
                metas.extend(listed.map_err(failed)?.into_iter().filter(|meta| {
                    let path = meta.location.as_ref();
                    let below = path.split('/').skip(self.prefix.len());
                    matcher.is_match(path) && (hidden || !below.into_iter().any(|part| part.starts_with('.')))
                }));
            }
        }
        metas.sort_by(|left, right| left.location.cmp(&right.location));
        let files = metas.into_iter().map(|meta| FoundFile { shown: self.shown(meta.location.as_ref()), meta });
        Ok(Found { files: files.collect() })
    }

    /// The path of a file as it is shown: relative to the project when inside of it, else absolute or a URL.
    pub(super) fn shown(&self, path: &str) -> String {
        let full = format!("{}{path}", self.root);
        match &self.project {
            Some(project) => full
                .strip_prefix(project.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .map_or_else(|| full.clone(), str::to_owned),
            None => full,
        }
    }

    /// The location without patterns as a path or URL: what a Delta table is opened by.
    pub(super) fn folder(&self) -> Result<String, ExternalError> {
        if self.matcher.is_some() {
            return Err(ExternalError::Location {
                location: self.location.clone(),
                reason: "a Delta table is one folder; patterns are not possible".to_owned(),
            });
        }
        Ok(format!("{}{}", self.root, self.prefix.join("/")))
    }
}

fn has_pattern(part: &str) -> bool {
    part.contains(['*', '?', '[', '{'])
}

/// The project folder as absolute text with `/` as separator.
fn project_root_text(project_root: &Path) -> Result<String, ExternalError> {
    let absolute = if project_root.is_absolute() {
        project_root.to_path_buf()
    } else {
        crate::base::fs::canonical(project_root).map_err(|error| ExternalError::Access {
            action: "find",
            path: project_root.display().to_string(),
            source: Box::new(error),
        })?
    };
    let text = absolute.to_str().ok_or_else(|| ExternalError::Location {
        location: absolute.display().to_string(),
        reason: "the path is not Unicode text".to_owned(),
    })?;
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}
