//! `karat deps --add-package`: one more entry in the list of packages, which stays as it is written otherwise.

use std::path::Path;

use crate::base::diagnostic::Diagnostic;
use crate::base::fs;
use crate::base::limits;
use crate::files::discover::unreadable;
use crate::files::packages::PACKAGE_FILES;

/// A new entry: its keys and their values as YAML.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    key: &'static str,
    name: String,
    version: Option<(&'static str, String)>,
}

fn wrong(message: String, hint: &str) -> Diagnostic {
    Diagnostic::error("invalid-argument", message).with_hint(hint)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text.trim()).to_string()
}

/// The entry of a package as the command line writes it: `name@version`, as under dbt.
pub fn entry(source: &str, package: &str) -> Result<Entry, Box<Diagnostic>> {
    let (name, version) = match package.rsplit_once('@') {
        // `git@host:a/b.git` has an `@` of its own.
        Some((name, version)) if source != "local" && !name.is_empty() && !version.contains(['/', ':']) => {
            (name, Some(version))
        }
        _ => (package, None),
    };
    let (key, version_key) = match source {
        "git" => ("git", "revision"),
        "local" => ("local", ""),
        _ => ("package", "version"),
    };
    if key == "package" && version.is_none_or(str::is_empty) {
        let hint = "write `--add-package dbt-labs/dbt_utils@1.3.0`";
        return Err(Box::new(wrong(format!("`{package}` says no version, which a package of the index needs"), hint)));
    }
    let version = version.map(|version| match version.split_once(',') {
        Some(_) => format!("[{}]", version.split(',').map(quoted).collect::<Vec<_>>().join(", ")),
        None => quoted(version),
    });
    Ok(Entry { key, name: name.to_owned(), version: version.map(|version| (version_key, version)) })
}

/// Writes an entry behind the others, into the file that lists packages or a new one; gives its name.
pub fn to_list(root: &Path, entry: &Entry) -> Result<&'static str, Box<Diagnostic>> {
    let io = |error: fs::FsError| Box::new(unreadable(&error));
    let mut list = None;
    for file in PACKAGE_FILES {
        if root.join(file).is_file() {
            let text = fs::read_text(&root.join(file), limits::TEXT_FILE_BYTES).map_err(io)?;
            if list.is_none() || text.lines().any(|line| line.starts_with("packages:")) {
                list = Some((file, text));
            }
        }
    }
    let (file, text) = list.unwrap_or((PACKAGE_FILES[0], String::new()));
    let text = extended(&text, entry).ok_or_else(|| {
        let hint = "write `packages:` and below it one entry a line, or add the package by hand";
        let name = &entry.name;
        Box::new(wrong(
            format!("the packages of `{file}` are not written as a list of lines, or have `{name}` already"),
            hint,
        ))
    })?;
    fs::write_atomic(&root.join(file), text.as_bytes()).map_err(io)?;
    Ok(file)
}

/// The text of a list with one more entry; `None` if it has it, or is no list of lines.
fn extended(text: &str, entry: &Entry) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let names = |line: &&str| {
        let written = line.trim().trim_start_matches("- ").trim();
        written
            .strip_prefix(entry.key)
            .and_then(|rest| rest.trim().strip_prefix(':'))
            .is_some_and(|rest| rest.trim().trim_matches(['"', '\'']) == entry.name)
    };
    if lines.iter().any(names) {
        return None;
    }
    let head = lines.iter().position(|line| line.starts_with("packages:"));
    let (before, after, indent) = match head {
        None => (lines.len(), Vec::new(), "  "),
        Some(head) if lines[head].trim_end() != "packages:" => return None,
        Some(head) => {
            let rest = &lines[head + 1..];
            let is_in = |line: &&&str| line.trim().is_empty() || line.starts_with([' ', '-', '#']);
            let inside = rest.iter().take_while(is_in).count();
            let filled = rest[..inside].iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
            let first = rest[..inside].iter().find(|line| line.trim_start().starts_with('-'));
            let indent = first.map_or("  ", |line| &line[..line.len() - line.trim_start().len()]);
            (head + 1 + filled, rest[filled..].to_vec(), indent)
        }
    };
    let mut written: Vec<String> = lines[..before].iter().map(|line| (*line).to_owned()).collect();
    if head.is_none() {
        written.push("packages:".to_owned());
    }
    written.push(format!("{indent}- {}: {}", entry.key, quoted(&entry.name)));
    if let Some((key, version)) = &entry.version {
        written.push(format!("{indent}  {key}: {version}"));
    }
    written.extend(after.into_iter().map(str::to_owned));
    Some(written.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_added_behind_the_others() {
        let utils = entry("hub", "dbt-labs/dbt_utils@>=1.0.0,<2.0.0").unwrap();
        let list = "packages:\n- local: ../a # mine\n\nother: 1\n";
        let new = extended(list, &utils).unwrap();
        let expected = "packages:\n- local: ../a # mine\n- package: \"dbt-labs/dbt_utils\"\n  version: [\">=1.0.0\", \"<2.0.0\"]\n\nother: 1\n";
        assert_eq!(new, expected);
        assert_eq!(extended(&new, &utils), None);
        let git = entry("git", "git@host:a/b.git@v1").unwrap();
        assert_eq!(extended("", &git).unwrap(), "packages:\n  - git: \"git@host:a/b.git\"\n    revision: \"v1\"\n");
        assert_eq!(extended("packages: [{local: x}]\n", &git), None);
        assert!(entry("hub", "a/b").is_err());
    }
}
