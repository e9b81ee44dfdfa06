//! What a microbatch model says about its batches.

use super::Reader;
use crate::base::clock::parse_instant;
use crate::manifest::config::NodeConfig;
use crate::manifest::microbatch::{BatchSize, Microbatch};

impl Reader<'_> {
    /// Reads and checks the keys of a microbatch model; dbt's rules, each problem with its place.
    pub(super) fn microbatch(&mut self, config: &mut NodeConfig) {
        for key in ["event_time", "begin", "batch_size"] {
            if self.raw.get(key).is_none() {
                let message = format!("{} has no `{key}`, which the strategy `microbatch` needs", self.owner);
                self.complain("missing-config", "incremental_strategy", message);
            }
        }
        let begin = self.text("begin").and_then(|text| {
            let begin = parse_instant(&text);
            if begin.is_none() {
                self.wrong("begin", "a date or a point in time such as `2024-01-31` or `2024-01-31 06:00:00`");
            }
            begin
        });
        let size = self.text("batch_size").and_then(|word| {
            let size = BatchSize::ALL.into_iter().find(|size| size.as_str() == word);
            if size.is_none() {
                self.not_one_of("batch_size", &word, &BatchSize::ALL.map(BatchSize::as_str));
            }
            size
        });
        let lookback = match self.raw.get("lookback") {
            None => Some(1),
            Some(_) => self.number("lookback").and_then(|number| {
                let lookback = u32::try_from(number).ok();
                if lookback.is_none() {
                    self.wrong("lookback", &format!("a number of at most {}", u32::MAX));
                }
                lookback
            }),
        };
        self.boolean("concurrent_batches");
        if let (Some(begin), Some(size), Some(lookback)) = (begin, size, lookback) {
            config.microbatch = Some(Microbatch { begin, size, lookback });
        }
    }
}
