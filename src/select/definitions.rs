//! Named selectors: the definitions of `selectors.yml`.
//!
//! A definition is a text as on the command line, one `method: value`, a full mapping with `method` and `value`, or a
//! list under `union` or `intersection` whose members may be an `exclude`.

use serde_json::{Map, Value};

use crate::base::diagnostic::{Diagnostics, Severity, did_you_mean};
use crate::base::limits;
use crate::base::source::Location;
use crate::manifest::manifest::Manifest;
use crate::select::IndirectSelection;
use crate::select::expression::{Expression, Operators, Reach};
use crate::select::matcher::{bad, scalar_text, unknown};
use crate::select::syntax::{Place, Reader};

/// The keys of a full definition.
const KEYS: [&str; 9] = [
    "method",
    "value",
    "childrens_parents",
    "parents",
    "parents_depth",
    "children",
    "children_depth",
    "indirect_selection",
    "exclude",
];

impl Reader<'_> {
    /// The named selector that applies where nothing is selected or excluded.
    pub(super) fn default_selector(&mut self, indirect: IndirectSelection) -> Option<Expression> {
        let is_default = |entry: &Value| entry.get("default") == Some(&Value::Bool(true));
        let manifest = self.manifest;
        let mut names = manifest.selectors.iter().filter(|(_, entry)| is_default(entry)).map(|(name, _)| name);
        let name = names.next()?;
        let location = self.place_of(name)?;
        if let Some(other) = names.next() {
            let problem = bad(format!("two selectors are the default one: `{name}` and `{other}`"));
            self.diagnostics.push(problem.at(location.clone(), ""));
        }
        Some(self.named(name, &location, indirect))
    }

    /// The expression of a named selector; `asked_at` is where its name was written.
    pub(super) fn named(&mut self, name: &str, asked_at: &Location, indirect: IndirectSelection) -> Expression {
        let nothing = Expression::Union(Vec::new());
        let manifest = self.manifest;
        let Some(entry) = manifest.selectors.get(name) else {
            let mut problem = bad(format!("there is no selector `{name}`"));
            if manifest.selectors.is_empty() {
                problem = problem.with_note("the project has no `selectors.yml`, or it is empty");
            } else {
                let known: Vec<String> = manifest.selectors.keys().map(|known| format!("`{known}`")).collect();
                problem = problem.with_note(format!("known are {}", known.join(", ")));
            }
            if let Some(near) = did_you_mean(name, manifest.selectors.keys().map(String::as_str)) {
                problem = problem.with_hint(format!("did you mean `{near}`?"));
            }
            self.report(problem, asked_at);
            return nothing;
        };
        if let Some(first) = self.open.iter().position(|open| open == name) {
            let path: Vec<String> =
                self.open[first..].iter().map(String::as_str).chain([name]).map(|name| format!("`{name}`")).collect();
            self.report(bad(format!("the selector `{name}` refers to itself: {}", path.join(" -> "))), asked_at);
            return nothing;
        }
        let place = self.place_of(name).unwrap_or_else(|| asked_at.clone());
        self.open.push(name.to_owned());
        let expression = self.definition(entry.get("definition").unwrap_or(entry), &place, indirect);
        self.open.pop();
        expression.unwrap_or(nothing)
    }

    /// The line of `selectors.yml` that names a selector; the file's beginning if it is not found.
    fn place_of(&self, name: &str) -> Option<Location> {
        let file = self.manifest.selectors_file.as_ref()?;
        let is_name = |line: &str| {
            let value = line.trim().trim_start_matches('-').trim_start().strip_prefix("name:");
            value.is_some_and(|value| value.trim().trim_matches(['"', '\'']) == name)
        };
        let line = file.text.lines().position(is_name);
        Some(line.map_or_else(|| Location::of_file(file), |line| Location::new(file, file.line_range(line + 1))))
    }

    fn definition(&mut self, definition: &Value, place: &Location, indirect: IndirectSelection) -> Option<Expression> {
        if self.depth == limits::SELECTOR_DEPTH {
            let problem = bad(format!("selectors are nested more than {} levels deep", limits::SELECTOR_DEPTH));
            self.report(problem, place);
            return None;
        }
        self.depth += 1;
        let expression = match definition {
            Value::String(text) => Some(self.text(text, &Place::Definition(place), indirect)),
            Value::Object(map) => self.mapping(map, place, indirect),
            _ => {
                self.report(bad("a selector's definition must be a text or a mapping"), place);
                None
            }
        };
        self.depth -= 1;
        expression
    }

    fn mapping(
        &mut self,
        map: &Map<String, Value>,
        place: &Location,
        indirect: IndirectSelection,
    ) -> Option<Expression> {
        for operator in ["union", "intersection"] {
            if let Some(members) = map.get(operator) {
                if let Some(other) = map.keys().find(|key| *key != operator) {
                    let hint = "an `exclude` belongs into the list, as its last member";
                    let problem = bad(format!("`{operator}` must stand alone, but there is also `{other}`"));
                    self.report(problem.with_hint(hint), place);
                }
                return self.group(operator, members, place, indirect);
            }
        }
        let mut entries = map.iter();
        match (entries.next(), entries.next()) {
            (Some((method, value)), None) if !KEYS.contains(&method.as_str()) => {
                let value = self.value_text(method, value, place)?;
                self.build(Some(method), &value, Operators::default(), indirect, place)
            }
            _ => self.full(map, place, indirect),
        }
    }

    fn group(
        &mut self,
        operator: &str,
        members: &Value,
        place: &Location,
        indirect: IndirectSelection,
    ) -> Option<Expression> {
        let Value::Array(members) = members else {
            self.report(bad(format!("`{operator}` must be a list")), place);
            return None;
        };
        let (mut included, mut excluded) = (Vec::new(), Vec::new());
        for member in members {
            match member.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("exclude")) {
                Some(exclude) => excluded.extend(self.exclusions(exclude, place)),
                None => included.extend(self.definition(member, place, indirect)),
            }
        }
        let included =
            if operator == "union" { Expression::Union(included) } else { Expression::Intersection(included) };
        Some(without(included, excluded))
    }

    fn exclusions(&mut self, exclude: &Value, place: &Location) -> Vec<Expression> {
        let members = match exclude {
            Value::Array(members) => members.as_slice(),
            one => std::slice::from_ref(one),
        };
        members.iter().filter_map(|member| self.definition(member, place, IndirectSelection::Eager)).collect()
    }

    fn full(&mut self, map: &Map<String, Value>, place: &Location, indirect: IndirectSelection) -> Option<Expression> {
        for key in map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.report(unknown("key of a selector", key, &KEYS), place);
        }
        let (Some(method), Some(value)) = (map.get("method"), map.get("value")) else {
            let problem = bad("a selector's definition needs `method` and `value`");
            self.report(problem.with_hint("or write one `method: value`, a `union` or an `intersection`"), place);
            return None;
        };
        let Value::String(method) = method else {
            self.report(bad("`method` must be a text"), place);
            return None;
        };
        let value = self.value_text("value", value, place)?;
        let indirect = match map.get("indirect_selection") {
            None | Some(Value::Null) => indirect,
            Some(mode) => {
                let mode = self.value_text("indirect_selection", mode, place)?;
                if let Some(mode) = IndirectSelection::parse(&mode) {
                    mode
                } else {
                    let known = IndirectSelection::ALL.map(IndirectSelection::as_str);
                    self.report(unknown("mode of indirect selection", &mode, &known), place);
                    return None;
                }
            }
        };
        let operators = Operators {
            childrens_parents: self.flag(map, "childrens_parents", place),
            parents: self.steps(map, "parents", "parents_depth", place),
            children: self.steps(map, "children", "children_depth", place),
        };
        let base = self.build(Some(method), &value, operators, indirect, place)?;
        let excluded = map.get("exclude").map(|exclude| self.exclusions(exclude, place)).unwrap_or_default();
        Some(without(base, excluded))
    }

    fn flag(&mut self, map: &Map<String, Value>, key: &str, place: &Location) -> bool {
        match map.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.report(bad(format!("`{key}` must be true or false")), place);
                false
            }
        }
    }

    fn steps(&mut self, map: &Map<String, Value>, key: &str, depth_key: &str, place: &Location) -> Reach {
        if !self.flag(map, key, place) {
            return Reach::Nowhere;
        }
        match map.get(depth_key) {
            None | Some(Value::Null) => Reach::Anywhere,
            Some(depth) => {
                let steps = scalar_text(depth).and_then(|text| text.parse().ok());
                if steps.is_none() {
                    self.report(bad(format!("`{depth_key}` must be a number of steps")), place);
                }
                steps.map_or(Reach::Nowhere, Reach::Steps)
            }
        }
    }

    fn value_text(&mut self, key: &str, value: &Value, place: &Location) -> Option<String> {
        let text = scalar_text(value);
        if text.is_none() {
            self.report(bad(format!("`{key}` must be a text")), place);
        }
        text
    }
}

/// What is wrong with the named selectors, whether they are asked for or not: as under dbt, each of them must be one.
pub fn wrong_selectors(manifest: &Manifest) -> Diagnostics {
    let mut found = Diagnostics::default();
    for name in manifest.selectors.keys() {
        let mut reader = Reader::new(manifest, IndirectSelection::default(), None);
        if let Some(place) = reader.place_of(name) {
            reader.named(name, &place, IndirectSelection::default());
        }
        found.extend(reader.diagnostics);
    }
    // With which state it is asked for shows when it is.
    found.0.retain(|problem| problem.severity == Severity::Error && problem.code != "no-state");
    found
}

fn without(included: Expression, excluded: Vec<Expression>) -> Expression {
    if excluded.is_empty() {
        included
    } else {
        Expression::Difference(Box::new(included), Box::new(Expression::Union(excluded)))
    }
}
