//! Every number that bounds an input. Each names what it protects; a message that refuses an input names the limit.

/// Largest text file of a project, in bytes (models, macros, YAML). Seeds have their own limit.
pub const TEXT_FILE_BYTES: u64 = 8 << 20;

/// Largest archive of a package, packed or unpacked, and largest file of one, in bytes.
pub const PACKAGE_BYTES: u64 = 512 << 20;

/// Largest seed file in bytes: seeds are small tables under version control.
pub const SEED_FILE_BYTES: u64 = 256 << 20;
/// Most files below one project folder.
pub const PROJECT_FILES: usize = 200_000;
/// Deepest folder nesting below a project folder.
pub const FOLDER_DEPTH: usize = 64;
/// Most nodes (mappings, sequences, scalars) of one YAML file, expansions of aliases included.
pub const YAML_NODES: usize = 5_000_000;
/// Deepest nesting of a YAML file.
pub const YAML_DEPTH: usize = 64;
/// Fuel of one template: instructions plus one per 64 bytes of text made, so it bounds time and memory.
pub const TEMPLATE_FUEL: u64 = 5_000_000;
/// Ways in which a pattern with look-around or back-references is tried on one text.
pub const PATTERN_BACKTRACKS: usize = 1_000_000;
/// Deepest recursion of macros and includes.
pub const TEMPLATE_RECURSION: usize = 200;
/// Longest rendered SQL statement in bytes.
pub const SQL_BYTES: usize = 4 << 20;
/// Deepest nesting of brackets and subqueries in SQL.
pub const SQL_NESTING: usize = 128;
/// Longest chain of operators of one rank between brackets or commas in SQL: the planner recurses once per operator,
/// and needs time by the square of their number.
pub const SQL_CHAIN: usize = 1_000;
/// Most tokens between brackets or commas in SQL: bounds what chains without being an operator.
pub const SQL_CHAIN_TOKENS: usize = 20_000;
/// Deepest recursion of the SQL parser; each bracket needs several steps.
pub const SQL_RECURSION: usize = 400;
/// Most tokens of one statement.
pub const SQL_TOKENS: usize = 1_000_000;
/// Most relations that one query may read, those within a `with` as often as it is used.
pub const SQL_RELATIONS: u64 = 5_000;
/// Most steps of the plan of one query, those of a relation as often as it is used: planning takes time by their number.
pub const SQL_PLAN_STEPS: u64 = 20_000;
/// Stack of the threads that parse and plan, in bytes.
pub const PLANNER_STACK_BYTES: usize = 64 << 20;
/// Longest identifier in bytes.
pub const IDENTIFIER_BYTES: usize = 128;
/// Rows of a failing test that are shown.
pub const SHOWN_FAILURES: usize = 5;
/// Most rows that a template's query may bring back.
pub const TEMPLATE_QUERY_ROWS: usize = 100_000;
/// Seconds to wait for the lock of an environment unless told otherwise.
pub const LOCK_WAIT_SECONDS: u64 = 60;
/// Most criteria of one selection, those of named selectors included as often as they are mentioned.
pub const SELECTOR_CRITERIA: usize = 100_000;
/// Deepest nesting of the definitions of named selectors, those that they mention included.
pub const SELECTOR_DEPTH: usize = 64;
/// Most batches of one microbatch model in one run: more than five years of hours.
pub const BATCHES: usize = 50_000;
/// Size in bytes past which the log file is begun anew.
pub const LOG_FILE_BYTES: u64 = 10 << 20;
/// Largest artifact of a state that is compared with, in bytes.
pub const STATE_FILE_BYTES: u64 = 1 << 30;
/// Largest file of the newest results of all nodes, in bytes.
pub const LAST_RESULTS_BYTES: u64 = 256 << 20;
