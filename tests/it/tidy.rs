//! The house rules that a compiler doesn't hold: layers, one version of each shared crate, sizes, what files say.
//!
//! Each test lists every offence with its file and line. The rules and their reasons are in `ARCHITECTURE.md`.

#![expect(clippy::disallowed_methods, reason = "reads this repository's own files")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `src/` with their layers. A module imports only from lower layers, from itself, and from [`NOUNS`].
const LAYERS: [(&str, u8); 24] = [
    ("base", 0),
    ("files", 1),
    ("template", 1),
    ("manifest", 1),
    ("checks", 1),
    ("deps", 2),
    ("parse", 2),
    ("graph", 2),
    ("state", 2),
    ("store", 2),
    ("select", 3),
    ("engine", 3),
    ("identity", 3),
    ("compile", 4),
    ("plan", 5),
    ("lineage", 5),
    ("execute", 6),
    ("ingest", 6),
    ("record", 7),
    ("docs", 8),
    ("serve", 8),
    ("cli", 9),
    ("lib", 10),
    ("main", 10),
];

/// The second program, in `src/greenhouse/`: it uses nothing of the library, and its modules are those of its own root.
const SECOND: &str = "greenhouse";

/// Data only, and itself built on layer 0 alone: the other modules of its layer speak in its nouns.
const NOUNS: &str = "manifest";

/// The files that nothing declares.
const ROOTS: [&str; 4] = ["src/greenhouse/main.rs", "src/lib.rs", "src/main.rs", "tests/it/main.rs"];

/// Longest file of the source.
const LINES: usize = 800;

/// Crates that only some modules may name: an upgrade then touches only these.
const CRATES: [(&str, &[&str]); 3] =
    [("datafusion", &["engine", "execute", "store"]), ("deltalake_core", &["store"]), ("deltalake", &["store"])];

/// Families of crates that exchange types, so that two versions of one would not fit together.
const ONE_VERSION: [&str; 5] = ["arrow", "datafusion", "deltalake", "object_store", "parquet"];

/// A file of the repository.
struct Text {
    /// Relative to the repository.
    path: String,
    text: String,
}

impl Text {
    /// The first part of the path below `src/`: the module that the file belongs to.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap();
        below.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// The lines without comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, line.find("//").map_or(line, |at| &line[..at])))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The UTF-8 files below some folders, by path.
fn texts(folders: &[&str]) -> Vec<Text> {
    let mut paths = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut paths);
    }
    paths.sort();
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    paths.iter().filter_map(|path| Some(Text { path: relative(path), text: fs::read_to_string(path).ok()? })).collect()
}

fn rust(folders: &[&str]) -> Vec<Text> {
    let mut files = texts(folders);
    files.retain(|file| Path::new(&file.path).extension().is_some_and(|extension| extension == "rs"));
    assert!(!files.is_empty(), "there is no source in {folders:?}");
    files
}

/// The names behind each `prefix` in a line, such as the `base` of `crate::base`.
fn names_behind<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let is_whole = !line[..at].ends_with(is_word);
        let behind = &line[at + prefix.len()..];
        is_whole.then(|| &behind[..behind.find(|c| !is_word(c)).unwrap_or(behind.len())])
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn tidy_modules_import_only_lower_layers() {
    let layers: BTreeMap<&str, u8> = LAYERS.into_iter().collect();
    let mut offences = Vec::new();
    for file in rust(&["src"]).iter().filter(|file| file.module() != SECOND) {
        let module = file.module();
        let Some(own) = layers.get(module) else {
            offences.push(format!("{}: the module `{module}` has no layer", file.path));
            continue;
        };
        for (line, code) in file.code() {
            for imported in names_behind(code, "crate::") {
                match layers.get(imported) {
                    Some(layer) if layer < own || imported == module => {}
                    Some(layer) if layer == own && imported == NOUNS => {}
                    Some(layer) => offences.push(format!(
                        "{}:{line}: `{module}` (layer {own}) uses `{imported}` (layer {layer})",
                        file.path
                    )),
                    None => offences.push(format!("{}:{line}: `crate::{imported}` names no module", file.path)),
                }
            }
            if module == "main" {
                for imported in names_behind(code, "karat::").filter(|imported| *imported != "cli") {
                    offences.push(format!("{}:{line}: `main` uses `{imported}`, but may only use `cli`", file.path));
                }
            }
        }
    }
    assert_none("a module imports only lower layers", &offences);
}

#[test]
fn tidy_second_program_uses_nothing_of_the_library() {
    let mut offences = Vec::new();
    let files = rust(&["src/greenhouse"]);
    let is_own = |module: &str| files.iter().any(|file| file.path == format!("src/{SECOND}/{module}.rs"));
    for file in &files {
        for (line, code) in file.code() {
            for name in ["karat", "datafusion", "deltalake_core", "object_store", "tokio"] {
                if names_behind(code, &format!("{name}::")).next().is_some() {
                    offences.push(format!("{}:{line}: uses `{name}`, which would link the engine", file.path));
                }
            }
            for module in names_behind(code, "crate::").filter(|module| !module.is_empty() && !is_own(module)) {
                offences.push(format!("{}:{line}: `{module}` is not one of its modules", file.path));
            }
        }
    }
    assert_none("the second program stands alone", &offences);
}

#[test]
fn tidy_engine_and_storage_crates_stay_in_their_modules() {
    let mut offences = Vec::new();
    for file in rust(&["src"]) {
        for (line, code) in file.code() {
            for (name, modules) in CRATES {
                let prefix = format!("{name}::");
                if !modules.contains(&file.module()) && names_behind(code, &prefix).next().is_some() {
                    offences.push(format!("{}:{line}: `{name}` may only be named in {modules:?}", file.path));
                }
            }
        }
    }
    assert_none("an upgrade of a large crate touches few modules", &offences);
}

#[test]
fn tidy_lock_has_one_version_of_shared_crates() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            line.unwrap().trim_matches('"')
        };
        versions.entry(field("name")).or_default().insert(field("version"));
    }
    let mut offences = Vec::new();
    for family in ONE_VERSION {
        let members =
            versions.iter().filter(|(name, _)| name.split(['-', '_']).next() == Some(family) || **name == family);
        let members: Vec<_> = members.collect();
        assert!(!members.is_empty(), "the lock file has no `{family}`");
        let several = members.into_iter().filter(|(_, versions)| versions.len() > 1);
        offences.extend(several.map(|(name, versions)| format!("{name}: {versions:?}")));
    }
    assert_none("crates that exchange types have one version", &offences);
}

#[test]
fn tidy_files_are_short_and_say_what_they_are_for() {
    let mut offences = Vec::new();
    for file in rust(&["src", "tests/it"]) {
        let lines = file.text.lines().count();
        if file.path.starts_with("src/") && lines > LINES {
            offences.push(format!("{}: {lines} lines, more than {LINES}", file.path));
        }
        // The documentation of the library is ARCHITECTURE.md.
        let first = if file.path == "src/lib.rs" { "#![doc = include_str!(" } else { "//! " };
        if !file.text.starts_with(first) {
            offences.push(format!("{}: does not start with `{first}`", file.path));
        }
    }
    assert_none("a file is short and starts with what it is for", &offences);
}

#[test]
fn tidy_every_file_is_compiled() {
    let files = rust(&["src", "tests/it"]);
    let texts: BTreeMap<&str, &str> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let mut offences = Vec::new();
    for path in texts.keys().filter(|path| !ROOTS.contains(*path)) {
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (folder, name) = module.rsplit_once('/').unwrap();
        let parents = [
            format!("{folder}/mod.rs"),
            format!("{folder}.rs"),
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
        ];
        let declaration = format!("mod {name};");
        let declares = |text: &&str| text.lines().any(|line| line.trim_start_matches("pub ").ends_with(&declaration));
        if !parents.iter().filter_map(|parent| texts.get(parent.as_str())).any(declares) {
            offences.push(format!("{path}: nothing declares it (`{declaration}`)"));
        }
    }
    assert_none("a file is part of the program or of its tests", &offences);
}

#[test]
fn tidy_only_the_printer_prints() {
    let mut offences = Vec::new();
    let printers = ["src/cli/printer", "src/greenhouse/printer.rs"];
    let is_printer = |file: &Text| printers.iter().any(|printer| file.path.starts_with(printer));
    for file in rust(&["src"]).into_iter().filter(|file| !is_printer(file)) {
        for (line, code) in file.code() {
            let is_call = |name: &str| code.match_indices(name).any(|(at, _)| !code[..at].ends_with(is_word));
            for name in ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("] {
                if is_call(name) {
                    offences.push(format!("{}:{line}: {name}", file.path));
                }
            }
        }
    }
    assert_none("only the printers of the two programs print", &offences);
}

#[test]
fn tidy_no_file_names_a_place_of_one_machine() {
    let folders = ["src", "tests", "models", "macros", "seeds", "snapshots", "docs", "landing", ".ci"];
    let mut files = texts(&folders);
    for entry in fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let path = entry.file_name().unwrap().to_string_lossy().into_owned();
        files.extend(fs::read_to_string(&entry).ok().map(|text| Text { path, text }));
    }
    // Joined here, so that this file does not offend against its own rule.
    let places: Vec<String> = ["home", "root", "Users", "work"].map(|folder| format!("/{folder}/")).into();
    let mut offences = Vec::new();
    for file in &files {
        for (index, line) in file.text.lines().enumerate() {
            let is_start = |at: usize| !line[..at].ends_with(|c: char| is_word(c) || "}./*-".contains(c));
            let found = places.iter().any(|place| line.match_indices(place.as_str()).any(|(at, _)| is_start(at)));
            if found || line.contains(env!("CARGO_MANIFEST_DIR")) {
                offences.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    assert_none("no file names a place of one machine", &offences);
}

/// How the sources spell the code of a diagnostic that they make.
const CODE_FORMS: [&str; 6] = [
    r#"Diagnostic::(?:error|warning|note)\(\s*"([^"]+)""#,
    r#"(?:SqlProblem|Failure)::new\(\s*"([^"]+)""#,
    r#"\brefused\(\s*"([^"]+)""#,
    r#"\bcomplain\(\s*"([^"]+)""#,
    r#"\bcode: "([^"]+)""#,
    // An arm of `fn code`, which gives the code of an error.
    r#"\} => "([a-z]+(?:-[a-z]+)*)","#,
];

/// The parts of a file that are no tests: those are at its end.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

#[test]
fn tidy_codes_are_explained_and_explanations_are_needed() {
    let files = rust(&["src"]);
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    let files = files
        .iter()
        .filter(|file| file.module() != SECOND && !file.path.starts_with("src/base/codes/") && !is_test(&file.path));
    let forms = CODE_FORMS.map(|form| regex::Regex::new(form).unwrap());
    let mut offences = Vec::new();
    let mut literals: BTreeSet<&str> = BTreeSet::new();
    for file in files {
        let text = without_tests(&file.text);
        literals.extend(text.split('"'));
        let forms = if text.contains("fn code(&self) -> &'static str") { &forms[..] } else { &forms[..5] };
        for found in forms.iter().flat_map(|form| form.captures_iter(text)) {
            let code = found.get(1).unwrap();
            if karat::base::codes::find(code.as_str()).is_none() {
                let line = text[..code.start()].lines().count();
                offences.push(format!("{}:{line}: `{}` is not in src/base/codes", file.path, code.as_str()));
            }
        }
    }
    let unused = karat::base::codes::all().filter(|code| !literals.contains(code.name));
    offences.extend(unused.map(|code| format!("src/base/codes: nothing makes `{}`", code.name)));
    assert_none("each diagnostic code is explained in src/base/codes, and each explained one is made", &offences);
}
