//! What only functions have in a manifest.

use serde_json::{Map, Value as Json, json};

use crate::manifest::config::NodeConfig;
use crate::manifest::function::{Argument, FunctionCall, FunctionDetail, Overload, Returns};

/// The keys of a function beside those of all nodes that are compiled.
pub(super) fn keys(function: &FunctionDetail) -> [(&'static str, Json); 3] {
    [
        ("returns", returns(&function.own.returns)),
        ("arguments", arguments(&function.own.arguments)),
        ("overloads", function.overloads.iter().map(overload).collect()),
    ]
}

/// The keys that only the configuration of a function has.
pub(super) fn config_keys(config: &NodeConfig) -> Map<String, Json> {
    let written = |name: &str| config.raw.get(name).cloned().unwrap_or(Json::Null);
    let quotes = written("snowflake").get("quote_args").cloned().unwrap_or(json!(true));
    let keys = [
        ("type", config.raw.get("type").cloned().unwrap_or(json!("scalar"))),
        ("volatility", written("volatility")),
        ("runtime_version", written("runtime_version")),
        ("entry_point", written("entry_point")),
        ("snowflake", json!({"quote_args": quotes})),
    ];
    keys.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A call as dbt lists it: the name, with the package before it if it was given.
pub(super) fn call(call: &FunctionCall) -> Json {
    match &call.package {
        Some(package) => json!([package, call.name]),
        None => json!([call.name]),
    }
}

fn returns(returns: &Returns) -> Json {
    json!({"data_type": returns.data_type, "description": returns.description})
}

fn arguments(arguments: &[Argument]) -> Json {
    arguments
        .iter()
        .map(|argument| {
            json!({
                "name": argument.name,
                "data_type": argument.data_type,
                "description": argument.description,
                "default_value": argument.default_value,
            })
        })
        .collect()
}

fn overload(overload: &Overload) -> Json {
    let own_returns = overload.own_returns.then(|| returns(&overload.signature.returns));
    json!({
        "defined_in": overload.defined_in,
        "arguments": arguments(&overload.signature.arguments),
        "returns": own_returns,
        "description": overload.description,
        "raw_body": overload.code.text.trim(),
        "compiled_body": null,
    })
}
