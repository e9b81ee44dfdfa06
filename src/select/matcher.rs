//! Selector methods: what `tag:nightly` or `config.materialized:view` says of one node.

use std::path::Path;

use serde_json::{Value, json};

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::manifest::node::{Node, ResourceType};
use crate::manifest::relation::Layer;
use crate::select::wildcard::{PathPattern, Wildcard, has_wildcard};
use crate::state::Check;

/// The methods that [`Matcher::parse`] knows, and `selector`, which the reader resolves itself.
pub(super) const METHODS: [&str; 23] = [
    "access",
    "config",
    "exposure",
    "file",
    "fqn",
    "group",
    "layer",
    "metric",
    "package",
    "path",
    "resource_type",
    "result",
    "saved_query",
    "selector",
    "semantic_model",
    "source",
    "source_status",
    "state",
    "tag",
    "test_name",
    "test_type",
    "unit_test",
    "version",
];

/// Kinds of node that have a method of their own, by `name` or `package.name`.
const NAMED: [ResourceType; 5] = [
    ResourceType::Exposure,
    ResourceType::Metric,
    ResourceType::SavedQuery,
    ResourceType::SemanticModel,
    ResourceType::UnitTest,
];

/// A test of one node.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    Name(NamePattern),
    Tag(Wildcard),
    Source {
        package: Wildcard,
        source: Wildcard,
        table: Wildcard,
    },
    /// A node of one kind by its name.
    Named {
        kind: ResourceType,
        package: Wildcard,
        name: Wildcard,
    },
    Path(PathPattern),
    File(Wildcard),
    Package(Wildcard),
    ResourceType(ResourceType),
    Config {
        keys: Vec<String>,
        value: String,
    },
    TestName(Wildcard),
    TestType(TestType),
    Layer(Layer),
    Access(String),
    Group(String),
    Version(VersionKind),
    /// What has changed since the state.
    State(Check),
    /// How the state's last command ended.
    Result(String),
    /// Source tables with newer rows than the state knows.
    Fresher,
}

/// What `test_type:` tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TestType {
    Generic,
    Singular,
    Data,
    Unit,
}

/// What `version:` tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionKind {
    Latest,
    Prerelease,
    Old,
    None,
}

impl Matcher {
    /// A matcher from a method as written (`config.materialized`; `None` if the text has none) and its value.
    pub(super) fn parse(method: Option<&str>, value: &str, project_name: &str) -> Result<Self, Diagnostic> {
        if value.is_empty() {
            return Err(bad(format!("`{}:` names nothing to select", method.unwrap_or(""))));
        }
        let Some(method) = method else { return Ok(Self::by_default(value)) };
        let (name, arguments) = method.split_once('.').map_or((method, None), |(name, rest)| (name, Some(rest)));
        if name == "config" {
            let keys: Vec<String> = arguments.unwrap_or("").split('.').map(str::to_owned).collect();
            if keys.iter().any(String::is_empty) {
                let hint = "write the key behind a point, such as `config.materialized:view`";
                return Err(bad("the method `config` needs a key").with_hint(hint));
            }
            return Ok(Self::Config { keys, value: value.to_owned() });
        }
        if let Some(arguments) = arguments.filter(|_| METHODS.contains(&name)) {
            return Err(bad(format!("the selector method `{name}` takes no key, but has `.{arguments}`")));
        }
        if let Some(kind) = NAMED.into_iter().find(|kind| kind.as_str() == name) {
            return Self::named(kind, value);
        }
        let wildcard = || Wildcard::new(value);
        Ok(match name {
            "fqn" => Self::Name(NamePattern::new(value)),
            "tag" => Self::Tag(wildcard()),
            "source" => match value.split('.').collect::<Vec<_>>().as_slice() {
                [source] => Self::source("*", source, "*"),
                [source, table] => Self::source("*", source, table),
                [package, source, table] => Self::source(package, source, table),
                _ => {
                    let hint = "write `source`, `source.table` or `package.source.table`";
                    return Err(bad(format!("`{value}` has too many parts for a source")).with_hint(hint));
                }
            },
            "path" => Self::Path(PathPattern::new(value)),
            "file" => Self::File(wildcard()),
            "package" if value == "this" => Self::Package(Wildcard::new(project_name)),
            "package" => Self::Package(wildcard()),
            "resource_type" => {
                let kinds = [
                    "model",
                    "seed",
                    "snapshot",
                    "source",
                    "test",
                    "exposure",
                    "analysis",
                    "function",
                    "operation",
                    "unit_test",
                    "semantic_model",
                    "metric",
                    "saved_query",
                ];
                Self::ResourceType(ResourceType::parse(value).ok_or_else(|| unknown("kind of node", value, &kinds))?)
            }
            "test_name" => Self::TestName(wildcard()),
            "test_type" => match value {
                "generic" | "schema" => Self::TestType(TestType::Generic),
                "singular" => Self::TestType(TestType::Singular),
                "data" => Self::TestType(TestType::Data),
                "unit" => Self::TestType(TestType::Unit),
                _ => return Err(unknown("kind of test", value, &["generic", "singular", "data", "unit"])),
            },
            "layer" => {
                let layers = ["bronze", "silver", "gold"];
                Self::Layer(Layer::from_folder(value).ok_or_else(|| unknown("layer", value, &layers))?)
            }
            "state" => {
                let known = Check::ALL.map(|(name, _)| name);
                let check = Check::parse(value).ok_or_else(|| unknown("question about the state", value, &known))?;
                Self::State(check)
            }
            "result" => Self::Result(value.to_owned()),
            "source_status" if value == "fresher" => Self::Fresher,
            "source_status" => return Err(unknown("status of a source", value, &["fresher"])),
            "access" => Self::Access(value.to_owned()),
            "group" => Self::Group(value.to_owned()),
            "version" => Self::Version(match value {
                "latest" => VersionKind::Latest,
                "prerelease" => VersionKind::Prerelease,
                "old" => VersionKind::Old,
                "none" => VersionKind::None,
                _ => return Err(unknown("kind of version", value, &["latest", "prerelease", "old", "none"])),
            }),
            _ => return Err(unknown("selector method", name, &METHODS)),
        })
    }

    fn named(kind: ResourceType, value: &str) -> Result<Self, Diagnostic> {
        let (package, name) = match value.split('.').collect::<Vec<_>>().as_slice() {
            [name] => (Wildcard::new("*"), Wildcard::new(name)),
            [package, name] => (Wildcard::new(package), Wildcard::new(name)),
            _ => {
                let what = kind.as_str().replace('_', " ");
                let article = if what.starts_with('e') { "an" } else { "a" };
                let hint = format!("write `{0}` or `package.{0}`", kind.as_str());
                return Err(bad(format!("`{value}` has too many parts for {article} {what}")).with_hint(hint));
            }
        };
        Ok(Self::Named { kind, package, name })
    }

    fn source(package: &str, source: &str, table: &str) -> Self {
        let (package, source, table) = (Wildcard::new(package), Wildcard::new(source), Wildcard::new(table));
        Self::Source { package, source, table }
    }

    /// A value without method is a path, a file or a name, by its look.
    fn by_default(value: &str) -> Self {
        let extension = Path::new(value).extension().and_then(|extension| extension.to_str()).unwrap_or("");
        if value.contains('/') {
            Self::Path(PathPattern::new(value))
        } else if ["sql", "csv", "yml", "yaml", "py"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
            Self::File(Wildcard::new(value))
        } else {
            Self::Name(NamePattern::new(value))
        }
    }

    /// Whether the node has what the method asks for.
    pub(super) fn matches(&self, node: &Node) -> bool {
        let kind = node.resource_type;
        match self {
            // As under dbt, sources alone are not found by a bare name.
            Self::Name(pattern) => kind != ResourceType::Source && pattern.matches(node),
            Self::Tag(tag) => node.tags().iter().any(|own| tag.matches(own)),
            Self::Source { package, source, table } => node.source().is_some_and(|detail| {
                package.matches(&node.package) && source.matches(&detail.source_name) && table.matches(&node.name)
            }),
            Self::Named { kind: wanted, package, name } => {
                kind == *wanted
                    && package.matches(&node.package)
                    && (name.matches(&node.name) || name.matches(&node.versioned_name()))
            }
            Self::Path(pattern) => {
                pattern.matches(&node.path) || node.patch_path.as_ref().is_some_and(|path| pattern.matches(path))
            }
            Self::File(pattern) => {
                let path = Path::new(&node.path);
                [path.file_name(), path.file_stem()]
                    .into_iter()
                    .flatten()
                    .filter_map(|name| name.to_str())
                    .any(|name| pattern.matches(name))
            }
            Self::Package(package) => package.matches(&node.package),
            Self::ResourceType(wanted) => kind == *wanted,
            Self::Config { keys, value } => {
                kind != ResourceType::Exposure && !kind.is_semantic() && config_matches(node, keys, value)
            }
            // A unit test is found by its own name, as under dbt.
            Self::TestName(name) if kind == ResourceType::UnitTest => name.matches(&node.name),
            Self::TestName(name) => {
                node.test().and_then(|test| test.generic.as_ref()).is_some_and(|call| name.matches(&call.name))
            }
            Self::TestType(TestType::Unit) => kind == ResourceType::UnitTest,
            Self::TestType(wanted) => node.test().is_some_and(|test| match wanted {
                TestType::Generic => test.generic.is_some(),
                TestType::Singular => test.generic.is_none(),
                TestType::Data => true,
                TestType::Unit => false,
            }),
            Self::Layer(layer) => node.layer == Some(*layer),
            Self::Access(access) => kind == ResourceType::Model && node.config.access.as_str() == access,
            // As under dbt, of the semantic layer only metrics are found by their group.
            Self::Group(_) if matches!(kind, ResourceType::SemanticModel | ResourceType::SavedQuery) => false,
            Self::Group(group) => node.config.group.as_ref() == Some(group),
            Self::Version(wanted) => kind == ResourceType::Model && version_kind(node) == *wanted,
            // These are answered with the state at hand: see `evaluate`.
            Self::State(_) | Self::Result(_) | Self::Fresher => false,
        }
    }

    /// The names of a node that a user could have meant: for hints where nothing matches.
    pub(super) fn candidates(&self, node: &Node) -> Vec<String> {
        match self {
            Self::Name(_) if node.source().is_none() => vec![node.name.clone()],
            Self::Tag(_) => node.tags().into_iter().map(str::to_owned).collect(),
            Self::Source { .. } => match node.source() {
                Some(detail) => {
                    vec![detail.source_name.clone(), format!("{}.{}", detail.source_name, node.name)]
                }
                None => Vec::new(),
            },
            Self::Named { kind, .. } if node.resource_type == *kind => vec![node.name.clone()],
            Self::Package(_) => vec![node.package.clone()],
            Self::Path(_) => {
                let folders = Path::new(&node.path).ancestors();
                folders.filter_map(Path::to_str).filter(|path| !path.is_empty()).map(str::to_owned).collect()
            }
            Self::File(_) => {
                let name = Path::new(&node.path).file_name().and_then(|name| name.to_str());
                name.map(str::to_owned).into_iter().collect()
            }
            Self::TestName(_) => {
                let call = node.test().and_then(|test| test.generic.as_ref());
                call.map(|call| call.name.clone()).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A problem with the text of a selector.
pub(super) fn bad(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("bad-selector", message)
}

/// A name that is not one of a closed list.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> Diagnostic {
    let list = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    let diagnostic = bad(format!("unknown {what}: `{name}`")).with_note(format!("known are {list}"));
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
        None => {
            diagnostic.with_hint("criteria are written such as `name`, `tag:nightly`, `path:models/gold` or `+name+`")
        }
    }
}

/// A name of a node, or the first parts of its package, folders and name, possibly with wildcards.
#[derive(Debug, Clone)]
pub(super) struct NamePattern {
    text: String,
    parts: Vec<String>,
    /// From the first part with a wildcard on: the pattern of all the rest of the qualified name.
    rest: Option<(usize, Wildcard)>,
    /// karat: a single part with wildcards is also tried on the bare name, so that `stg_*` finds models in folders.
    leaf: Option<Wildcard>,
}

impl NamePattern {
    fn new(text: &str) -> Self {
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        let first = parts.iter().position(|part| has_wildcard(part));
        let rest = first.map(|index| (index, Wildcard::new(&parts[index..].join("."))));
        let leaf = (parts.len() == 1 && rest.is_some()).then(|| Wildcard::new(text));
        Self { text: text.to_owned(), parts, rest, leaf }
    }

    fn matches(&self, node: &Node) -> bool {
        let within_package = node.fqn.get(1..).unwrap_or_default();
        self.leaf.as_ref().is_some_and(|leaf| leaf.matches(&node.name))
            || self.matches_parts(node, &node.fqn)
            || self.matches_parts(node, within_package)
    }

    fn matches_parts(&self, node: &Node, fqn: &[String]) -> bool {
        // The last part of a version's qualified name is the version, such as `v2`.
        if node.version().is_some() {
            if let [.., name, version] = fqn {
                let last_two = &self.parts[self.parts.len().saturating_sub(2)..];
                if *name == self.text || last_two.join("_") == format!("{name}_{version}") {
                    return true;
                }
            }
        } else if fqn.last() == Some(&self.text) {
            return true;
        }
        let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
        if flat.len() < self.parts.len() {
            return false;
        }
        let literal = self.rest.as_ref().map_or(self.parts.len(), |(first, _)| *first);
        flat.iter().zip(&self.parts).take(literal).all(|(own, part)| own == part)
            && self.rest.as_ref().is_none_or(|(first, rest)| rest.matches(&flat[*first..].join(".")))
    }
}

/// A scalar as it would be written in a selector.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn config_matches(node: &Node, keys: &[String], wanted: &str) -> bool {
    let Some((first, rest)) = keys.split_first() else { return false };
    let Some(mut found) = node.config.raw.get(first).cloned().or_else(|| default_of(node, first)) else { return false };
    for key in rest {
        match found.get_mut(key) {
            Some(inner) => found = inner.take(),
            None => return false,
        }
    }
    let ignore_case = rest.is_empty() && first == "severity";
    let is_wanted = |value: &Value| match value {
        Value::Bool(flag) => wanted.eq_ignore_ascii_case(&flag.to_string()),
        Value::String(text) if ignore_case => text.eq_ignore_ascii_case(wanted),
        other => scalar_text(other).is_some_and(|text| text == wanted),
    };
    match &found {
        // As under dbt, what is written in a selector is a text, which no number of a list is equal to.
        Value::Array(items) => items.iter().any(|item| !item.is_number() && is_wanted(item)),
        Value::Object(map) => map.contains_key(wanted),
        scalar => is_wanted(scalar),
    }
}

/// The value of a key that nobody set: what dbt's own defaults give.
fn default_of(node: &Node, key: &str) -> Option<Value> {
    let kind = node.resource_type;
    match key {
        "enabled" => Some(json!(node.config.enabled)),
        "materialized" => match kind {
            ResourceType::Model => Some(json!(node.config.materialized.as_str())),
            ResourceType::Seed | ResourceType::Snapshot | ResourceType::Test => Some(json!(kind.as_str())),
            _ => None,
        },
        "tags" => Some(json!(node.config.tags)),
        "severity" if kind == ResourceType::Test => Some(json!("ERROR")),
        "on_schema_change" if kind == ResourceType::Model => Some(json!(node.config.on_schema_change.as_str())),
        "contract" if kind == ResourceType::Model => Some(json!({ "enforced": node.config.contract_enforced })),
        _ => None,
    }
}

fn version_kind(node: &Node) -> VersionKind {
    let Some(version) = node.version() else { return VersionKind::None };
    match version.own.compare(&version.latest) {
        _ if version.is_latest() => VersionKind::Latest,
        std::cmp::Ordering::Less => VersionKind::Old,
        std::cmp::Ordering::Equal => VersionKind::Latest,
        std::cmp::Ordering::Greater => VersionKind::Prerelease,
    }
}
