//! The generator of the plant shop's data, run as a user would: the folders that tests read, and the same bytes for
//! the same seed.

#![expect(clippy::disallowed_methods, reason = "reads and writes the folders of tests")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::Run;

/// The tables, each after those that its keys refer to.
pub const TABLES: [&str; 8] = ["addresses", "users", "products", "promos", "budget", "orders", "order_items", "events"];

/// A landing folder that goes away with the test.
pub struct Landing {
    folder: TempDir,
}

impl Landing {
    /// A landing folder that is not there yet.
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("greenhouse-").tempdir().unwrap() }
    }

    /// A landing folder with a first load.
    #[track_caller]
    pub fn init(arguments: &[&str]) -> Self {
        let landing = Self::new();
        landing.run(&[&["init"], arguments].concat()).expect_code(0);
        landing
    }

    /// Appends journeys.
    #[track_caller]
    pub fn journey(&self, arguments: &[&str]) -> Run {
        self.run(&[&["journey"], arguments].concat()).expect_code(0)
    }

    /// A path below the landing folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("landing").join(path)
    }

    /// Runs greenhouse on the landing folder.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenhouse"));
        command.args(arguments).arg("--landing").arg(self.path("")).current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Run::of(command.output().unwrap())
    }

    /// All files with the hashes of their content.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.path("")).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, blake3::hash(&fs::read(path).unwrap()).to_hex().to_string());
                }
            }
        }
        files
    }

    /// The manifest of a batch.
    pub fn manifest(&self, batch: u64) -> Json {
        let path = self.path(&format!("_greenhouse/batch-{batch:06}/manifest.json"));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The lines of all `dirt.ndjson`.
    pub fn dirt(&self) -> Vec<Json> {
        let mut batches: Vec<PathBuf> =
            fs::read_dir(self.path("_greenhouse")).unwrap().map(|entry| entry.unwrap().path()).collect();
        batches.sort();
        let text = |batch: &PathBuf| fs::read_to_string(batch.join("dirt.ndjson")).unwrap();
        let lines: String = batches.iter().map(text).collect();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All CSV batches.
    pub fn data(&self) -> Data {
        Data::read(&self.path(""))
    }
}

/// The rows of a batch file.
pub struct Batch {
    /// Path below the landing folder.
    pub path: String,
    /// Names of columns in lower case.
    pub header: Vec<String>,
    /// Values; nothing is an empty text.
    pub rows: Vec<Vec<String>>,
}

/// The batch files of all tables, in order.
pub struct Data {
    /// By table.
    pub batches: BTreeMap<&'static str, Vec<Batch>>,
}

impl Data {
    /// Reads all CSV batches below a landing folder.
    pub fn read(landing: &Path) -> Self {
        let mut batches = BTreeMap::new();
        for table in TABLES {
            let mut paths: Vec<PathBuf> = fs::read_dir(landing.join(table))
                .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
                .unwrap_or_default();
            paths.sort();
            let read = paths.iter().map(|path| {
                let name = path.strip_prefix(landing).unwrap().to_str().unwrap().to_owned();
                parse(&name, &fs::read_to_string(path).unwrap())
            });
            batches.insert(table, read.collect());
        }
        Self { batches }
    }

    /// All rows of a table as columns by name; a column that a file lacks is empty.
    pub fn table(&self, table: &str) -> Table<'_> {
        let mut names: Vec<&str> = Vec::new();
        for batch in &self.batches[table] {
            for name in &batch.header {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        let mut rows = Vec::new();
        for batch in &self.batches[table] {
            let places: Vec<Option<usize>> =
                names.iter().map(|name| batch.header.iter().position(|other| other == name)).collect();
            for row in &batch.rows {
                // The last line of a torn file is short.
                let value = |place: &Option<usize>| place.and_then(|place| row.get(place)).map_or("", String::as_str);
                rows.push(places.iter().map(value).collect());
            }
        }
        Table { names, rows }
    }
}

/// Reads a CSV text; lines before the header that are blank, and a byte order mark, are passed over.
pub fn parse(path: &str, text: &str) -> Batch {
    let text = text.trim_start_matches('\u{feff}').trim_start_matches('\n');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().unwrap().iter().map(str::to_lowercase).collect();
    let rows = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
    Batch { path: path.to_owned(), header, rows }
}

/// The rows of a table.
pub struct Table<'a> {
    names: Vec<&'a str>,
    /// Values in the order of the names.
    pub rows: Vec<Vec<&'a str>>,
}

impl<'a> Table<'a> {
    /// The position of a column.
    #[track_caller]
    pub fn place(&self, name: &str) -> usize {
        self.names.iter().position(|other| *other == name).unwrap_or_else(|| panic!("no `{name}` in {:?}", self.names))
    }

    /// The values of some columns, row by row.
    #[track_caller]
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> Vec<[&'a str; N]> {
        let places = names.map(|name| self.place(name));
        self.rows.iter().map(|row| places.map(|place| row[place])).collect()
    }
}

#[test]
fn greenhouse_repeats_itself_with_any_number_of_threads() {
    let options = ["--scale", "9000", "--seed", "7", "--profile", "messy"];
    let [one, again, four] = ["1", "1", "4"].map(|threads| {
        let landing = Landing::init(&[&options[..], &["--threads", threads]].concat());
        for (day, count) in [("2025-02-01", "30"), ("2025-02-02", "5")] {
            landing.journey(&["--count", count, "--now", day, "--returning", "0.3", "--advance-orders", "9"]);
        }
        landing.files()
    });
    assert!(one.len() > 20, "{:?}", one.keys());
    assert_eq!(one, again);
    assert_eq!(one, four);

    // Another seed is another shop.
    let other = Landing::init(&["--scale", "9000", "--seed", "8", "--profile", "messy"]).files();
    assert_ne!(one["orders/batch-000001.csv"], other["orders/batch-000001.csv"]);
}

#[test]
fn greenhouse_repeats_itself_in_all_formats() {
    for format in ["ndjson", "parquet", "delta"] {
        let [one, four] = ["1", "4"].map(|threads| {
            let options = ["--scale", "6000", "--format", format, "--threads", threads];
            let landing = Landing::init(&options);
            landing.journey(&["--count", "3", "--now", "2025-02-01"]);
            landing.files()
        });
        assert_eq!(one, four, "{format}");
    }
}

/// The repository's own first batch.
#[test]
fn greenhouse_wrote_the_shipped_batch() {
    let landing = Landing::init(&["--scale", "2000", "--start", "2023-10-01", "--end", "2024-03-22"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/landing");
    let mut size = 0;
    for table in TABLES {
        let file = format!("{table}/batch-000001.csv");
        let content = fs::read(shipped.join(&file)).unwrap();
        size += content.len();
        assert!(content == fs::read(landing.path(&file)).unwrap(), "{file} differs from what greenhouse writes");
    }
    assert!(size < 700_000, "{size} bytes are too many for the repository");
    let manifest = "_greenhouse/batch-000001/manifest.json";
    assert_eq!(
        fs::read_to_string(shipped.join(manifest)).unwrap(),
        fs::read_to_string(landing.path(manifest)).unwrap()
    );
}

/// Whoever plays with the flagship must not find its repository changed.
#[test]
#[expect(clippy::print_stderr, reason = "a test that could not run must say so")]
fn greenhouse_journeys_leave_the_repository_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ask = |path: &str| {
        let asked =
            Command::new("git").args(["check-ignore", "--quiet", "--no-index", path]).current_dir(root).status();
        asked.ok().and_then(|status| status.code())
    };
    if ask("target/x") != Some(0) {
        eprintln!("skipped: git is not there, or this is not a repository");
        return;
    }
    let landing = Landing::init(&[]);
    landing.journey(&["--count", "2", "--update-users", "1", "--empty", "orders", "--header-only", "products"]);
    let mut kept = Vec::new();
    for file in landing.files().into_keys() {
        match ask(&format!("seeds/landing/{file}")) {
            Some(0) => {}
            Some(1) => kept.push(file),
            code => panic!("git check-ignore ended with {code:?}"),
        }
    }
    let mut expected: Vec<String> = TABLES.map(|table| format!("{table}/batch-000001.csv")).into();
    expected.push("_greenhouse/batch-000001/manifest.json".to_owned());
    expected.sort();
    assert_eq!(kept, expected);
    for further in ["note.txt", "events/event_date=2024-01-01/x.parquet", "_greenhouse/staging/x"] {
        assert_eq!(ask(&format!("seeds/landing/{further}")), Some(0), "{further}");
    }
}
