//! What `--sample` means.

use serde_json::Value as Json;

use super::{Reader, bad_value};
use crate::base::clock::parse_instant;
use crate::manifest::microbatch::Window;
use crate::manifest::sample::Sample;

/// What a sample may be.
const EXPECTED: &str =
    "a span such as `3 days` (hours, days, months, years), or a window such as `{start: 2024-01-01, end: 2024-01-31}`";

impl Reader<'_> {
    /// The sample of the flag, or of its variable.
    pub(super) fn sample(&mut self, given: Option<String>) -> Option<Sample> {
        let text = given.or_else(|| self.variable("SAMPLE"))?;
        if !text.trim_start().starts_with('{') {
            let sample = Sample::parse_span(&text);
            if sample.is_none() {
                self.problems.push(bad_value("--sample", &text, EXPECTED));
            }
            return sample;
        }
        let window = self.mapping(Some(&text), "--sample");
        let instant = |key: &str| window.get(key).and_then(Json::as_str).and_then(parse_instant);
        match (instant("start"), instant("end")) {
            (Some(start), Some(end)) if start < end && window.len() == 2 => {
                Some(Sample::Between(Window { start, end }))
            }
            _ => {
                self.problems.push(bad_value("--sample", &text, EXPECTED));
                None
            }
        }
    }
}
