//! What is measured.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::Result;
use crate::child::{self, Cost};
use crate::projects;
use crate::report::{Figure, Measure};

/// Milliseconds of CPU that a model may take to be parsed.
const PARSE_AIM: f64 = 0.5;

/// Milliseconds of CPU that a tiny node may take.
const NODE_AIM: f64 = 12.0;

/// How much longer than raw DataFusion a large write may take.
const WRITE_AIM: f64 = 1.15;

/// How many times `--memory` a build may take, apart from the program itself.
const MEMORY_AIM: f64 = 1.0;

/// What the program itself may take, as the reference of `memory_limit` says.
const PROGRAM_BYTES: u64 = 300 << 20;

/// Rows from which on the time to start no longer counts, so that the aim of a write applies.
const LARGE: u64 = 1_000_000;

/// The same for models that are parsed.
const MANY: usize = 1_000;

/// Sizes of all scenarios.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Models of the projects that are parsed.
    models: &'static [usize],
    /// Models of the project that is built.
    tiny: usize,
    /// Rows of the large table.
    rows: u64,
    /// Events of the flagship.
    events: &'static [&'static str],
    /// New journeys in the second batch of the flagship.
    journeys: &'static str,
}

/// For trying the programs.
pub const QUICK: Size = Size { models: &[100, 300], tiny: 50, rows: 200_000, events: &["tiny"], journeys: "10" };
/// Without an option.
pub const USUAL: Size = Size { models: &[100, 1_000], tiny: 300, rows: 6_000_000, events: &["1M"], journeys: "1000" };
/// All that is measured.
pub const FULL: Size =
    Size { models: &[100, 1_000, 10_000], tiny: 300, rows: 6_000_000, events: &["1M", "10M"], journeys: "1000" };

/// A group of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Synthetic projects: parse and compile
    Parse,
    /// Many tiny nodes: build, build again, build one model and its children
    Nodes,
    /// A large table: write, test, merge, snapshot; and raw DataFusion
    Rows,
    /// The plant shop: first load, journeys, limits of memory
    Flagship,
}

impl Scenario {
    /// All, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Parse, Self::Nodes, Self::Rows, Self::Flagship];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Nodes => "nodes",
            Self::Rows => "rows",
            Self::Flagship => "flagship",
        }
    }
}

/// A program that understands the synthetic projects.
struct Peer {
    name: &'static str,
    program: PathBuf,
    builds: bool,
}

/// Runs scenarios and keeps what they measured.
pub struct Bench {
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What was not, and why.
    pub skipped: Vec<String>,
    size: Size,
    scratch: TempDir,
    karat: PathBuf,
    greenhouse: PathBuf,
    peers: Vec<Peer>,
}

impl Bench {
    /// Finds the programs. Other builds of karat's own can be named by environment variables.
    pub fn new(size: Size) -> Result<Self> {
        let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
        let mut skipped = Vec::new();
        let mut peers = Vec::new();
        let known =
            [("dbt", "KARAT_BENCH_DBT", "dbt with duckdb", true), ("dbt2", "KARAT_BENCH_DBT2", "the Rust dbt", false)];
        for (name, variable, program, builds) in known {
            match named(variable) {
                Some(program) => peers.push(Peer { name, program, builds }),
                None => skipped.push(format!("set {variable} to the path of {program} to compare")),
            }
        }
        Ok(Self {
            figures: Vec::new(),
            skipped,
            size,
            scratch: tempfile::Builder::new().prefix("karat-bench-").tempdir()?,
            karat: named("KARAT_BENCH_KARAT").unwrap_or_else(|| env!("CARGO_BIN_EXE_karat").into()),
            greenhouse: named("KARAT_BENCH_GREENHOUSE").unwrap_or_else(|| env!("CARGO_BIN_EXE_greenhouse").into()),
            peers,
        })
    }

    /// Runs one scenario.
    pub fn run(&mut self, scenario: Scenario) -> Result<()> {
        match scenario {
            Scenario::Parse => self.parse(),
            Scenario::Nodes => self.nodes(),
            Scenario::Rows => self.rows(),
            Scenario::Flagship => self.flagship(),
        }
    }

    /// An empty folder.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn karat(&self, folder: &Path, arguments: &[&str]) -> Result<Cost> {
        child::run(&self.karat, folder, arguments, &[0])
    }

    fn note(&mut self, what: String, tool: &str, cost: Cost, measure: Option<Measure>) {
        eprintln!("  {what}, {tool}: {:.2} s CPU, {:.2} s", cost.cpu, cost.wall);
        self.figures.push(Figure { what, tool: tool.to_owned(), cost, measure });
    }

    fn parse(&mut self) -> Result<()> {
        for &count in self.size.models {
            let folder = self.folder(&format!("parse-{count}"))?;
            projects::synthetic(&folder, count, "view")?;
            let cost = self.karat(&folder, &["parse", "--no-write-json"])?;
            let each = Some(per(cost.cpu, count, "ms CPU/model", (count >= MANY).then_some(PARSE_AIM)));
            self.note(format!("parse {count} models"), "karat", cost, each);
            let cost = self.karat(&folder, &["parse"])?;
            self.note(
                format!("parse {count} models, write the manifest"),
                "karat",
                cost,
                Some(per(cost.cpu, count, "ms CPU/model", None)),
            );
            let cost = self.karat(&folder, &["compile"])?;
            let each = Some(per(cost.cpu, count, "ms CPU/model", None));
            self.note(format!("compile {count} models, write them"), "karat", cost, each);
            for peer in 0..self.peers.len() {
                let Peer { name, ref program, builds } = self.peers[peer];
                // The first dbt remembers what it has read.
                let arguments: &[&str] = if builds { &["parse", "--no-partial-parse"] } else { &["parse"] };
                match child::run(program, &folder, arguments, &[0]) {
                    Ok(cost) => {
                        let each = Some(per(cost.cpu, count, "ms CPU/model", None));
                        self.note(format!("parse {count} models, write the manifest"), name, cost, each);
                    }
                    Err(error) => self.skipped.push(format!("{name} did not parse {count} models: {error}")),
                }
            }
        }
        Ok(())
    }

    fn nodes(&mut self) -> Result<()> {
        let count = self.size.tiny;
        let folder = self.folder("nodes")?;
        projects::synthetic(&folder, count, "table")?;
        let edited = folder.join(format!("models/{}.sql", projects::name(count / 2)));
        let nodes = 3 * count;
        for (what, arguments) in [
            (format!("build {count} tiny models with {} tests", 2 * count), &["build"][..]),
            (format!("run {count} tiny models"), &["run"][..]),
            (format!("run {count} tiny models again, nothing changed"), &["run"][..]),
        ] {
            let cost = self.karat(&folder, arguments)?;
            let done = if arguments == ["build"] { nodes } else { count };
            self.note(what, "karat", cost, Some(per(cost.cpu, done, "ms CPU/node", Some(NODE_AIM))));
        }
        fs::write(&edited, fs::read_to_string(&edited)? + "where 1 = 1\n")?;
        let children = format!("{}+", projects::name(count / 2));
        let cost = self.karat(&folder, &["build", "--select", &children])?;
        self.note("build an edited model and its children".to_owned(), "karat", cost, None);
        for peer in 0..self.peers.len() {
            let Peer { name, ref program, builds } = self.peers[peer];
            if !builds {
                self.skipped.push(format!("{name} does not build"));
                continue;
            }
            let cost = child::run(program, &folder, &["build"], &[0])?;
            self.note(
                format!("build {count} tiny models with {} tests", 2 * count),
                name,
                cost,
                Some(per(cost.cpu, nodes, "ms CPU/node", None)),
            );
        }
        Ok(())
    }

    fn rows(&mut self) -> Result<()> {
        let rows = self.size.rows;
        let folder = self.folder("rows")?;
        let source = folder.join("orders.parquet");
        let own = std::env::current_exe()?;
        let file = source.to_str().ok_or("the scratch folder's name is no text")?;
        child::run(&own, &folder, &["make", file, &rows.to_string()], &[0])?;
        projects::large(&folder, &source)?;
        // In turns, so that a busy machine is busy for both; the least of each counts.
        let (mut floor, mut ours) = (None, None);
        for turn in 0..3 {
            let target = format!("floor-{turn}/");
            floor = Some(least(floor, child::run(&own, &folder, &["copy", file, &target], &[0])?));
            fs::remove_dir_all(folder.join(target))?;
            ours = Some(least(ours, self.karat(&folder, &["run", "--select", "orders", "--full-refresh"])?));
        }
        let (Some(floor), Some(ours)) = (floor, ours) else { return Ok(()) };
        self.note(format!("copy {rows} rows"), "DataFusion", floor, None);
        if !folder.join("warehouse/main/orders/_delta_log").is_dir() {
            return Err("the model that is measured made no table".into());
        }
        let aim = (rows >= LARGE).then_some(WRITE_AIM);
        let ratio = |value| Some(Measure { value, unit: "x DataFusion's CPU", aim });
        self.note(format!("table of {rows} rows"), "karat", ours, ratio(ours.cpu / floor.cpu));
        let cost = self.karat(&folder, &["test", "--select", "orders"])?;
        self.note(format!("10 generic tests of {rows} rows"), "karat", cost, None);
        for (what, arguments) in [
            ("merge: first", &["run", "--select", "merged"][..]),
            ("merge: 1 % changed", &["run", "--select", "merged", "--vars", "{round: 1}"][..]),
            ("snapshot: first", &["build", "--select", "current", "history"][..]),
            ("snapshot: 1 % changed", &["build", "--select", "current", "history", "--vars", "{round: 1}"][..]),
            ("snapshot: nothing changed", &["build", "--select", "current", "history", "--vars", "{round: 1}"][..]),
        ] {
            let cost = self.karat(&folder, arguments)?;
            let measure = Measure { value: cost.cpu / floor.cpu, unit: "x DataFusion's copy", aim: None };
            self.note(format!("{what}, {rows} rows"), "karat", cost, Some(measure));
        }
        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    fn flagship(&mut self) -> Result<()> {
        for &events in self.size.events {
            let folder = self.folder(&format!("flagship-{events}"))?;
            projects::flagship(&folder)?;
            let cost = child::run(&self.greenhouse, &folder, &["init", "--scale", events], &[0])?;
            self.note(format!("make {events} events"), "greenhouse", cost, None);
            let cost = self.karat(&folder, &["build"])?;
            self.note(format!("flagship, {events} events: first build"), "karat", cost, None);
            let journeys = self.size.journeys;
            child::run(&self.greenhouse, &folder, &["journey", "--count", journeys], &[0])?;
            let cost = self.karat(&folder, &["build"])?;
            self.note(format!("flagship, {events} events: {journeys} more journeys"), "karat", cost, None);
            for (limit, bytes) in [("1GiB", 1_u64 << 30), ("512MiB", 1 << 29)] {
                let what = format!("flagship, {events} events: whole, memory {limit}");
                // A build that cannot do with the memory may fail, with a diagnostic.
                let arguments = ["build", "--full-refresh", "--memory", limit];
                match self.karat(&folder, &arguments) {
                    Ok(cost) => {
                        let value = ratio(cost.memory.saturating_sub(PROGRAM_BYTES), bytes);
                        let measure = Measure { value, unit: "x the limit, above 300 MiB", aim: Some(MEMORY_AIM) };
                        self.note(what, "karat", cost, Some(measure));
                    }
                    Err(error) => self.skipped.push(format!("{what}: {error}")),
                }
            }
            fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }
}

/// Milliseconds for each of `count` things.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn per(seconds: f64, count: usize, unit: &'static str, aim: Option<f64>) -> Measure {
    Measure { value: seconds * 1000.0 / count as f64, unit, aim }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
fn ratio(value: u64, of: u64) -> f64 {
    value as f64 / of as f64
}

/// The cheaper of two.
fn least(known: Option<Cost>, new: Cost) -> Cost {
    known.filter(|known| known.cpu <= new.cpu).unwrap_or(new)
}
