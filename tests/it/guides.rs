//! What is written for people is true: the reference pages are what the program makes of itself, and the guides and the
//! README are played, command by command, with the outputs that they show.
//!
//! A guide's code blocks are told apart by the words after the three backticks:
//! - `sh` is run by a shell in a folder of the guide's own, each block where the last one ended; `sh fails` must end
//!   with an exit code other than 0; `sh unplayed` is not run.
//! - `text` after it is what it prints; a line `...` stands for any lines.
//! - `sql models/x.sql` (or another language) writes the file; `sql models/x.sql shown` is part of the file that is there.
//!
//! `KARAT_UPDATE=1` writes reference pages anew, and outputs that have no `...`.

#![expect(clippy::disallowed_methods, reason = "reads and writes files of the repository and of tests")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn is_update() -> bool {
    std::env::var_os("KARAT_UPDATE").is_some()
}

#[test]
fn reference_pages_are_up_to_date() {
    let mut old = Vec::new();
    for (name, page) in karat::cli::reference::pages() {
        let path = root().join("docs/reference").join(name);
        if is_update() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &page).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != page {
            old.push(name);
        }
    }
    assert!(old.is_empty(), "out of date in docs/reference: {old:?}; run this test with KARAT_UPDATE=1");
}

/// A page of Markdown in pieces, so that it can be put together again.
enum Piece {
    Prose(String),
    Code { info: String, text: String },
}

fn pieces(page: &str) -> Vec<Piece> {
    let (mut pieces, mut prose) = (Vec::new(), String::new());
    let mut lines = page.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            prose.push_str(line);
            continue;
        };
        pieces.push(Piece::Prose(std::mem::take(&mut prose)));
        let text: String = lines.by_ref().take_while(|line| line.trim_end() != "```").collect();
        pieces.push(Piece::Code { info: info.trim().to_owned(), text });
    }
    pieces.push(Piece::Prose(prose));
    pieces
}

/// Where a page is played.
struct Stage {
    folder: tempfile::TempDir,
    current: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("karat-guide-").tempdir().unwrap();
        let current = folder.path().join("work");
        fs::create_dir_all(&current).unwrap();
        Self { folder, current }
    }

    /// Runs a block; what it prints, and whether it succeeded.
    fn run(&mut self, script: &str) -> (String, bool) {
        let place = self.folder.path().join("place");
        let programs = Path::new(env!("CARGO_BIN_EXE_karat")).parent().unwrap();
        let script = format!("exec 2>&1\ntrap 'pwd > \"{}\"' EXIT\nset -e\n{script}", place.display());
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&self.current)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()))
            .env("NO_COLOR", "1")
            .env("KARAT_NOW", "2024-05-01T06:00:00Z")
            // One at a time, so that lines come in one order.
            .env("KARAT_THREADS", "1")
            .output()
            .unwrap();
        self.current = fs::read_to_string(&place).unwrap().trim_end().into();
        (self.plain(&String::from_utf8_lossy(&output.stdout)), output.status.success())
    }

    /// An output without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let folder = self.folder.path().join("work");
        let mut text = text.replace(&format!("{}/", folder.display()), "");
        for (pattern, replacement) in [
            (r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", ""),
            (r"(?m) +\d+\.\d\ds$", ""),
            (r"\b\d+\.\d+s:", "0.3s:"),
            (r"\bprocess \d+\b", "process 4711"),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, replacement).into_owned();
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n").trim_matches('\n').to_owned()
    }
}

/// Whether an output is the expected one, where `...` stands for any lines, or for the rest of one.
fn fits(output: &str, expected: &str) -> bool {
    let pattern: Vec<String> = expected.trim_end().split('\n').map(regex::escape).collect();
    let pattern = format!("\n{}\n", pattern.join("\n"));
    let pattern = pattern.replace("\n\\.\\.\\.\n", "\n(?:.*\n)*?").replace("\\.\\.\\.\n", ".*\n");
    Regex::new(&format!("^{pattern}$")).unwrap().is_match(&format!("\n{output}\n"))
}

/// Plays a page; gives it back with the outputs that were seen.
fn play(path: &Path) -> String {
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    let mut stage = Stage::new();
    let (mut page, mut last) = (String::new(), None);
    for piece in pieces(&fs::read_to_string(path).unwrap()) {
        let (info, mut text) = match piece {
            Piece::Prose(prose) => {
                page.push_str(&prose);
                continue;
            }
            Piece::Code { info, text } => (info, text),
        };
        let words: Vec<&str> = info.split(' ').collect();
        match words.as_slice() {
            ["sh"] | ["sh", "fails"] => {
                let (output, is_good) = stage.run(&text);
                assert_eq!(is_good, words.len() == 1, "{name}: {text}\n{output}");
                last = Some(output);
            }
            ["sh", "unplayed"] => last = None,
            ["text"] => {
                if let Some(output) = last.take() {
                    if is_update() && (text.is_empty() || !text.contains("...\n")) {
                        text = format!("{output}\n");
                    }
                    assert!(fits(&output, &text), "{name}: expected\n{text}\nbut the command printed\n{output}");
                }
            }
            [_, file] => {
                let file = stage.current.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, &text).unwrap();
            }
            [_, file, "shown"] => {
                let there = fs::read_to_string(stage.current.join(file)).unwrap_or_default();
                assert!(there.contains(text.trim_end()), "{name}: `{file}` does not hold\n{text}\nbut\n{there}");
            }
            [_] => {}
            _ => panic!("{name}: a block of the kind `{info}` is not known"),
        }
        let _ = write!(page, "```{info}\n{text}```\n");
    }
    page
}

fn is_played(path: &Path) {
    let page = play(path);
    if is_update() {
        fs::write(path, page).unwrap();
    }
}

#[test]
fn readme_is_played() {
    is_played(&root().join("README.md"));
}

fn guide(name: &str) {
    is_played(&root().join("docs/guides").join(name).with_extension("md"));
}

#[test]
fn guide_to_a_first_project_is_played() {
    guide("first-project");
}

#[test]
fn guide_to_incremental_models_is_played() {
    guide("incremental-models");
}

#[test]
fn guide_to_snapshots_is_played() {
    guide("snapshots");
}

#[test]
fn guide_to_tests_is_played() {
    guide("tests");
}

#[test]
fn guide_to_sources_over_files_is_played() {
    guide("sources-over-files");
}

#[test]
fn guide_to_running_in_ci_is_played() {
    guide("running-in-ci");
}

#[test]
fn guide_for_those_who_come_from_dbt_is_played() {
    guide("coming-from-dbt");
}

/// No page lies outside of the index, and no link of the index or of a page leads nowhere.
#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = vec![root().join("README.md"), root().join("docs/README.md"), root().join("benches/README.md")];
    for folder in ["docs/guides", "docs/reference"] {
        pages.extend(fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    pages.retain(|path| path.exists());
    let link = Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    let mut linked = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for found in link.captures_iter(&text) {
            let target = page.parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{}: `{}` leads nowhere", page.display(), &found[1]);
            linked.push(target.canonicalize().unwrap());
        }
    }
    for page in pages.iter().skip(1) {
        assert!(linked.contains(&page.canonicalize().unwrap()), "no page links to {}", page.display());
    }
}
