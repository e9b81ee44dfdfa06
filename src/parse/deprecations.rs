//! `deprecation_date` of models: read, and reported where such models are used.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::files::yaml::Spanned;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, ResourceType};

/// Reads a date or an instant; one without a zone is in UTC.
pub(super) fn date(written: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<DateTime<FixedOffset>> {
    let text = written.value.trim();
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    let read = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()
        .or_else(|| naive.or_else(day).map(|naive| naive.and_utc().fixed_offset()));
    if read.is_none() {
        let message = format!("`deprecation_date` is `{text}`, which is no date");
        let diagnostic = Diagnostic::error("bad-value", message).at(written.location.clone(), "");
        diagnostics
            .push(diagnostic.with_hint("write a date such as 2024-12-31, or an instant such as 2024-12-31T00:00:00Z"));
    }
    read
}

/// A date as dbt's artifacts write it: `2024-12-31T00:00:00+00:00`.
pub fn shown(date: &DateTime<FixedOffset>) -> String {
    date.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// Warns of models past their date, and of models that use one that has a date.
pub(super) fn report(manifest: &Manifest, now: DateTime<Utc>, diagnostics: &mut Diagnostics) {
    let models = || manifest.of_type(ResourceType::Model);
    for model in models() {
        if let Some(date) = date_of(model).filter(|date| *date < now) {
            let message = format!("{} is past its deprecation date, {}", called(model), shown(&date));
            diagnostics.push(Diagnostic::warning("deprecated-model", message).at_maybe(model.location.clone(), ""));
        }
        for parent in model.depends_on.iter().filter_map(|id| manifest.get(id)) {
            let Some(date) = date_of(parent) else { continue };
            let call =
                model.refs.iter().find(|call| call.name == parent.name && parent.has_version(call.version.as_ref()));
            let place = call.and_then(|call| call.location.clone()).or_else(|| model.location.clone());
            let (code, tense) =
                if date < now { ("deprecated-ref", "was") } else { ("upcoming-deprecation", "will be") };
            let message =
                format!("{} refers to {}, which {tense} deprecated on {}", called(model), called(parent), shown(&date));
            let mut diagnostic = Diagnostic::warning(code, message).at_maybe(place, "");
            if let Some(version) = parent.version().filter(|version| !version.is_latest()) {
                let latest = version.latest.as_str();
                diagnostic =
                    diagnostic.with_hint(format!("the latest version is `ref('{}', v={latest})`", parent.name));
            }
            diagnostics.push(diagnostic);
        }
    }
}

fn date_of(node: &Node) -> Option<DateTime<FixedOffset>> {
    node.model().and_then(|model| model.deprecation_date)
}

fn called(model: &Node) -> String {
    match model.version() {
        Some(version) => format!("version `{}` of model `{}`", version.own.as_str(), model.name),
        None => format!("model `{}`", model.name),
    }
}
