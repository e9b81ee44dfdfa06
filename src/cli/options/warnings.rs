//! Which warnings are errors: `--warn-error` and `--warn-error-options`.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Reader, bad_value};
use crate::base::diagnostic::Diagnostic;
use crate::base::strictness::{Strictness, codes_of};

const FLAG: &str = "--warn-error-options";

impl Reader<'_> {
    /// Both flags in one; as under dbt, only one of them may be given.
    pub(super) fn strictness(&mut self, options: Option<String>, warn_error: Option<bool>) -> Strictness {
        let is_given = options.is_some();
        let Some(text) = options.or_else(|| self.variable("WARN_ERROR_OPTIONS")) else {
            return if warn_error == Some(true) { Strictness::all() } else { Strictness::default() };
        };
        if warn_error == Some(true) {
            if is_given {
                let message = format!("`--warn-error` and `{FLAG}` cannot be combined");
                self.problems.push(Diagnostic::error("invalid-argument", message));
            }
            return Strictness::all();
        }
        let mut strictness = Strictness::default();
        for (key, value) in self.mapping(Some(&text), FLAG) {
            match key.as_str() {
                "error" | "include" => strictness.error.extend(self.names(&value, Some(&mut strictness.all))),
                "warn" | "exclude" => strictness.warn.extend(self.names(&value, None)),
                "silence" => strictness.silence.extend(self.names(&value, None)),
                _ => {
                    let expected = "a mapping with `error`, `warn` and `silence`";
                    self.problems.push(bad_value(FLAG, &key, expected));
                }
            }
        }
        strictness
    }

    /// The codes of a list of names; `all` and `*` stand for every one where that is possible.
    fn names(&mut self, value: &Json, all: Option<&mut bool>) -> BTreeSet<&'static str> {
        let texts: Vec<&Json> = match value {
            Json::Null => Vec::new(),
            Json::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        let mut codes = BTreeSet::new();
        let mut every = false;
        for text in texts {
            match text.as_str() {
                Some("all" | "*") if all.is_some() => every = true,
                // dbt's word for all of its deprecations, which are not those of karat.
                Some("Deprecations") => {}
                Some(name) => match codes_of(name) {
                    Ok(found) => codes.extend(found),
                    Err(near) => {
                        let problem = bad_value(FLAG, name, "codes of warnings or names of dbt's events");
                        self.problems.push(match near {
                            Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
                            None => problem,
                        });
                    }
                },
                None => self.problems.push(bad_value(FLAG, &text.to_string(), "codes of warnings")),
            }
        }
        if let Some(all) = all {
            *all |= every;
        }
        codes
    }
}
