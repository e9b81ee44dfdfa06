//! The registry of diagnostic codes: what each means, why it appears, what to do about it. `karat explain` and the
//! reference page are printed from it.
//!
//! A code is a name that people search for and scripts compare, so it is never reused for something else. A test holds
//! that the registry and the sources have the same codes.

mod command_line;
mod graph;
mod internal;
mod project;
mod running;
mod sources;
mod sql;
mod storage;
mod template;

/// One diagnostic code and its explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The stable name in kebab case, such as `unknown-column`.
    pub name: &'static str,
    /// The part of karat that the code comes from.
    pub stage: Stage,
    /// Exit codes of a command that ends because of it; 0 for what is told without ending anything. The usual one
    /// comes first.
    pub exits: &'static [u8],
    /// What is wrong, in half a line.
    pub title: &'static str,
    /// Why it appears.
    pub cause: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// How it would be right, as lines of a file.
    pub example: Option<&'static str>,
}

/// The parts of karat that diagnostics come from, in the order in which a command meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Arguments, targets and folders.
    CommandLine,
    /// YAML files, configuration, names.
    Project,
    /// Jinja.
    Template,
    /// References between nodes.
    Graph,
    /// Planning and running queries.
    Sql,
    /// Files of sources and seeds.
    Sources,
    /// Tests, merges and snapshots.
    Running,
    /// The warehouse and the disk.
    Storage,
    /// Bugs.
    Internal,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Self; 9] = [
        Self::CommandLine,
        Self::Project,
        Self::Template,
        Self::Graph,
        Self::Sql,
        Self::Sources,
        Self::Running,
        Self::Storage,
        Self::Internal,
    ];

    /// The heading above its codes.
    pub fn title(self) -> &'static str {
        match self {
            Self::CommandLine => "Command line and targets",
            Self::Project => "Files of the project",
            Self::Template => "Templates",
            Self::Graph => "References between nodes",
            Self::Sql => "SQL",
            Self::Sources => "Files of sources and seeds",
            Self::Running => "While nodes run",
            Self::Storage => "Warehouse and disk",
            Self::Internal => "Bugs",
        }
    }

    /// Its codes, by name.
    pub fn codes(self) -> &'static [Code] {
        match self {
            Self::CommandLine => command_line::CODES,
            Self::Project => project::CODES,
            Self::Template => template::CODES,
            Self::Graph => graph::CODES,
            Self::Sql => sql::CODES,
            Self::Sources => sources::CODES,
            Self::Running => running::CODES,
            Self::Storage => storage::CODES,
            Self::Internal => internal::CODES,
        }
    }
}

/// All codes, by stage and name.
pub fn all() -> impl Iterator<Item = &'static Code> {
    Stage::ALL.into_iter().flat_map(Stage::codes)
}

/// The code of a name.
pub fn find(name: &str) -> Option<&'static Code> {
    all().find(|code| code.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_there_once_and_explained() {
        let mut names = BTreeSet::new();
        for stage in Stage::ALL {
            let codes = stage.codes();
            assert!(codes.is_sorted_by_key(|code| code.name), "the codes of {stage:?} are in no order");
            for code in codes {
                assert_eq!(code.stage, stage, "{}", code.name);
                assert!(names.insert(code.name), "`{}` is there twice", code.name);
                assert!(code.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", code.name);
                assert!(!code.exits.is_empty(), "`{}` has no exit code", code.name);
                assert!(!code.title.ends_with('.') && code.title.len() <= 80, "{}: {}", code.name, code.title);
                for text in [code.cause, code.fix] {
                    assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", code.name);
                }
            }
        }
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        assert_eq!(find("unknown-column").map(|code| code.stage), Some(Stage::Sql));
        assert_eq!(find("unknown"), None);
    }
}
