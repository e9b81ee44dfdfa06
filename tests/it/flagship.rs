//! The repository's own project, the plant shop: it builds, and a batch that arrives is taken in as a rebuild would.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value as Json;

use crate::shop::{build, content, project as flagship, rows, second_batch, value};

/// When the second build runs: after the batch was loaded.
const LATER: &str = "2024-05-02T06:00:00Z";

#[test]
fn flagship_takes_in_a_batch_as_a_rebuild_would() {
    let project = flagship();
    build(&project, "2024-05-01T06:00:00Z");
    let results = project.run_results();
    let bad = |result: &&Json| !["success", "pass"].contains(&result["status"].as_str().unwrap());
    let bad: Vec<&Json> = results["results"].as_array().unwrap().iter().filter(bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");

    // The same again changes no row.
    let first = content(&project);
    build(&project, "2024-05-01T06:00:00Z");
    assert_eq!(content(&project), first);

    second_batch(&project);
    build(&project, LATER);
    let actions = project.actions();
    for model in ["stg_orders", "stg_order_items", "stg_events"] {
        assert_eq!(actions[model], "merge", "{model}");
    }
    assert_eq!(project.counts("stg_orders").split(" =").next(), Some("+1 ~2 -0"));
    assert_eq!(project.counts("stg_order_items").split(" =").next(), Some("+2 ~0 -0"));
    assert_eq!(project.counts("stg_events").split(" =").next(), Some("+1 ~0 -1"));

    // What the batch says is there.
    let (late, gone) = (value(&project, "orders", 3, "order_id"), value(&project, "users", 2, "user_id"));
    let status = value(&project, "orders", 3, "status");
    let one = |sql: &str| rows(&project, sql);
    assert_eq!(one(&format!("select status from silver.stg_orders where order_id = '{late}'")), [status]);
    assert_eq!(one(&format!("select count(*) from silver.stg_users where user_id = '{gone}'")), ["0"]);
    assert_eq!(one("select count(*) from gold.fct_orders_products where order_id = '00000000feedbeef'"), ["2"]);
    let address = value(&project, "addresses", 1, "address_id");
    assert_eq!(
        one(&format!(
            "select count(*), count(valid_to) from gold.dim_addresses_history where address_id = '{address}'"
        )),
        ["2|1"]
    );

    // A second warehouse, built from all batches at once, has the same rows. Histories have not: they record runs.
    let anew = flagship();
    second_batch(&anew);
    build(&anew, LATER);
    let (grown, rebuilt) = (content(&project), content(&anew));
    assert_eq!(grown.keys().collect::<Vec<_>>(), rebuilt.keys().collect::<Vec<_>>());
    for (relation, rows) in grown.iter().filter(|(relation, _)| !relation.ends_with("_history")) {
        assert_eq!(rows, &rebuilt[relation], "{relation}");
    }
}
