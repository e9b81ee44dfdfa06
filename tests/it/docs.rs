//! `karat docs`: the page and what is written with it, the server, and the lineage in each of its forms.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::support::Project;

/// One node of each kind, and texts that would do harm if a page took them for markup.
pub fn project() -> Project {
    Project::new(&[
        ("seeds/kinds.csv", "kind\nfern\ncactus\n"),
        ("landing/plants/1.csv", "id,kind,price\n1,fern,10\n2,cactus,-5\n"),
        (
            "models/sources.yml",
            "sources:\n  - name: landing\n    loader: hand\n    external: {location: 'landing/{name}/*.csv', format: csv}\n    \
             tables:\n      - name: plants\n        description: What arrives. And more.\n        columns:\n          \
             - {name: id, data_type: bigint, description: The key.}\n          - {name: kind, data_type: varchar}\n          \
             - {name: price, data_type: bigint}\n",
        ),
        ("models/bronze/plants.sql", "select * from {{ source('landing', 'plants') }}\n"),
        (
            "models/silver/priced.sql",
            "-- </script><script>document.title = 'taken'</script>\nselect id, kind, price from {{ ref('plants') }}\n",
        ),
        ("models/gold/totals.sql", "select kind, sum(price) as total from {{ ref('priced') }} group by kind\n"),
        (
            "models/models.yml",
            r#"models:
  - name: priced
    description: |
      Plants with **prices** <script>document.title = 'taken'</script> <img src=x onerror="document.title = 'taken'">
      [a](javascript:alert(1)) [b](https://example.org/) | pipe `code`
    config:
      tags: ["</script>", "nightly"]
      meta: {owner: "<b>Ann</b>"}
    columns:
      - name: id
        description: "Key <img src=x onerror=alert(1)>."
        data_tests: [not_null, unique]
      - name: price
        data_tests:
          - no_negatives: {config: {severity: warn}}
      - name: gone
        description: Not in the query.
exposures:
  - name: dashboard
    label: 'Plants & "more" <i>'
    type: dashboard
    url: javascript:alert(1)
    owner: {name: Ann, email: ann@example.org}
    depends_on: [ref('totals')]
  - name: report
    type: notebook
    url: https://example.org/report
    owner: {name: Bob}
    depends_on: [ref('totals')]
"#,
        ),
        (
            "snapshots/history.yml",
            "snapshots:\n  - name: history\n    relation: ref('priced')\n    config: {unique_key: id, strategy: check, check_cols: [price]}\n",
        ),
        ("tests/few_kinds.sql", "select * from {{ ref('totals') }} where total > 1000\n"),
    ])
}

/// The document within a page.
pub fn document(project: &Project) -> Json {
    let page = project.read("target/index.html");
    let (_, rest) = page.split_once("id=\"document\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn docs_tell_everything_of_every_node() {
    let project = project();
    project.ok(&["build"]);
    let run = project.ok(&["docs", "generate"]);
    assert!(run.stderr.contains("Wrote target/index.html: 12 nodes"), "{}", run.stderr);
    let document = document(&project);
    let node = &document["nodes"]["model.shop.priced"];
    assert_eq!(node["group"], "silver");
    assert_eq!(node["parents"], serde_json::json!(["model.shop.plants"]));
    assert_eq!(node["children"], serde_json::json!(["model.shop.totals", "snapshot.shop.history"]));
    assert_eq!(node["tests"].as_array().unwrap().len(), 3);
    assert_eq!(node["result"]["status"], "success");
    assert_eq!(node["result"]["rows"]["total"], 2);
    let columns: Vec<String> = node["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| format!("{} {} {}", column["name"], column["type"], column["missing"]))
        .collect();
    assert_eq!(
        columns,
        [r#""id" "bigint" null"#, r#""kind" "varchar" null"#, r#""price" "bigint" null"#, r#""gone" null true"#]
    );
    assert!(node["raw"].as_str().unwrap().contains("{{ ref('plants') }}"));
    assert!(node["compiled"].as_str().unwrap().contains("\"bronze\".\"plants\""), "{}", node["compiled"]);
    let html = node["description"].as_str().unwrap();
    assert!(html.contains("<strong>prices</strong>") && html.contains("href=\"https://example.org/\""), "{html}");
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript:"), "{html}");
    let test = &document["nodes"].as_object().unwrap()["test.shop.few_kinds"];
    assert_eq!(test["result"]["status"], "pass");
    assert_eq!(document["nodes"]["exposure.shop.dashboard"]["url"], Json::Null);
    assert_eq!(document["nodes"]["exposure.shop.report"]["url"], "https://example.org/report");
    let source = &document["nodes"]["source.shop.landing.plants"];
    assert_eq!(source["columns"][0]["type"], "bigint");
    assert_eq!(source["summary"], "What arrives.");
    let facts = source["facts"].to_string();
    assert!(facts.contains(r#"["Files","landing/plants/*.csv"]"#) && facts.contains(r#"["Format","csv"]"#), "{facts}");

    // The artifacts are those that dbt's command of this name writes.
    let manifest: Json = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    assert!(manifest["nodes"]["model.shop.totals"]["compiled_code"].is_string());
    let catalog: Json = serde_json::from_str(&project.read("target/catalog.json")).unwrap();
    assert_eq!(catalog["nodes"]["model.shop.totals"]["columns"]["total"]["type"], "bigint");
}

#[test]
fn docs_are_the_same_for_the_same_project() {
    let project = project();
    project.ok(&["build"]);
    let page = || {
        project.ok(&["docs", "generate"]);
        let mut document = document(&project);
        document["generated_at"] = Json::Null;
        document
    };
    assert_eq!(page(), page());
}

#[test]
fn docs_keep_the_newest_result_of_every_node() {
    let project = project();
    project.ok(&["build"]);
    project.ok(&["run", "--select", "totals"]);
    project.ok(&["docs", "generate"]);
    let results = document(&project);
    let of = |id: &str| results["nodes"][id]["result"].clone();
    assert_eq!(of("test.shop.few_kinds")["status"], "pass");
    assert_ne!(of("model.shop.totals")["invocation_id"], of("model.shop.priced")["invocation_id"]);

    // What is no longer in the project goes, and what cannot be read is begun anew.
    project.remove("tests/few_kinds.sql");
    project.ok(&["run", "--select", "totals"]);
    assert!(!project.read("target/results/dev.json").contains("few_kinds"));
    project.write("target/results/dev.json", "{");
    let run = project.ok(&["docs", "generate"]);
    assert!(run.stderr.contains("damaged-results"), "{}", run.stderr);
    project.ok(&["build"]);
    let run = project.ok(&["docs", "generate"]);
    assert!(!run.stderr.contains("damaged-results"), "{}", run.stderr);
    // Each environment has results of its own.
    assert_eq!(document(&project)["environment"], "dev");
}

#[test]
fn docs_need_no_run_before_and_survive_what_is_broken() {
    let project = project();
    project.ok(&["docs", "generate"]);
    let before = document(&project);
    assert_eq!(before["nodes"]["model.shop.totals"]["columns"][1]["type"], "bigint");
    assert_eq!(before["nodes"]["model.shop.totals"]["result"], Json::Null);
    assert!(!project.path("warehouse/gold").exists());

    project.write("models/gold/broken.sql", "select nothing_like_it from {{ ref('priced') }}\n");
    let run = project.ok(&["docs", "generate"]);
    assert!(run.stderr.contains("warning[unknown-column]") && run.stderr.contains("broken.sql:1:8"), "{}", run.stderr);
    assert!(run.stderr.contains("not everything could be planned"), "{}", run.stderr);
    let after = document(&project);
    assert_eq!(after["nodes"]["model.shop.broken"]["columns"], Json::Null);
    assert_eq!(after["nodes"]["model.shop.totals"]["columns"], before["nodes"]["model.shop.totals"]["columns"]);
    project.run(&["docs", "generate", "--warn-error"]).expect_code(2);

    // Without compiling nothing is planned, so nothing is complained about.
    let run = project.ok(&["docs", "generate", "--no-compile", "--empty-catalog", "--static"]);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    assert_eq!(document(&project)["nodes"]["model.shop.totals"]["compiled"], Json::Null);
}

#[test]
fn docs_show_a_failing_test_and_what_it_holds_back() {
    let project = project();
    project.write("tests/few_kinds.sql", "select * from {{ ref('totals') }} where total < 1000\n");
    project.run(&["build"]).expect_code(1);
    project.ok(&["docs", "generate"]);
    let document = document(&project);
    assert_eq!(document["nodes"]["test.shop.few_kinds"]["result"]["failures"], 2);
    assert_eq!(document["nodes"]["model.shop.totals"]["result"]["withheld"], true);
    assert_eq!(document["nodes"]["model.shop.totals"]["published_at"], Json::Null);
}

#[test]
fn lineage_as_mermaid() {
    assert_snapshot!(project().ok(&["docs", "lineage"]).stdout, @r#"
    flowchart LR
      subgraph sources["Sources and seeds"]
        n0[("landing.plants")]
        n1[/"seeds.kinds"/]
      end
      subgraph bronze["Bronze"]
        n2["bronze.plants"]
      end
      subgraph silver["Silver"]
        n3["silver.priced"]
        n4[["snapshots.history"]]
      end
      subgraph gold["Gold"]
        n5["gold.totals"]
      end
      subgraph exposures["Exposures"]
        n6(["dashboard"])
        n7(["report"])
      end
      n0 --> n2
      n2 --> n3
      n3 --> n4
      n3 --> n5
      n5 --> n6
      n5 --> n7
      style bronze fill:#f3e2d3,stroke:#a9714b,color:#1f2328
      style silver fill:#e9ecef,stroke:#868e96,color:#1f2328
      style gold fill:#fff3bf,stroke:#c99a06,color:#1f2328
    "#);
}

#[test]
fn lineage_as_dot() {
    assert_snapshot!(project().ok(&["docs", "lineage", "--output", "dot", "--select", "priced+"]).stdout, @r#"
    digraph "shop" {
      rankdir=LR;
      node [shape=box, fontname="sans-serif"];
      subgraph "cluster_silver" {
        label="Silver";
        "model.shop.priced" [label="silver.priced"];
        "snapshot.shop.history" [label="snapshots.history", peripheries=2];
      }
      subgraph "cluster_gold" {
        label="Gold";
        "model.shop.totals" [label="gold.totals"];
      }
      subgraph "cluster_exposures" {
        label="Exposures";
        "exposure.shop.dashboard" [label="dashboard", shape=oval];
        "exposure.shop.report" [label="report", shape=oval];
      }
      "model.shop.priced" -> "snapshot.shop.history";
      "model.shop.priced" -> "model.shop.totals";
      "model.shop.totals" -> "exposure.shop.dashboard";
      "model.shop.totals" -> "exposure.shop.report";
    }
    "#);
}

#[test]
fn lineage_as_json() {
    let printed = project().ok(&["docs", "lineage", "--output", "json", "--select", "+plants"]).stdout;
    assert_snapshot!(printed, @r#"
    {
      "project": "shop",
      "nodes": [
        {
          "unique_id": "source.shop.landing.plants",
          "name": "plants",
          "resource_type": "source",
          "group": "sources",
          "relation": "\"shop\".\"landing\".\"plants\"",
          "materialized": null,
          "path": "models/sources.yml",
          "description": "What arrives. And more."
        },
        {
          "unique_id": "model.shop.plants",
          "name": "plants",
          "resource_type": "model",
          "group": "bronze",
          "relation": "\"shop\".\"bronze\".\"plants\"",
          "materialized": "view",
          "path": "models/bronze/plants.sql",
          "description": ""
        }
      ],
      "edges": [
        {
          "from": "source.shop.landing.plants",
          "to": "model.shop.plants"
        }
      ]
    }
    "#);
}

#[test]
fn lineage_as_markdown_for_a_repository() {
    let project = project();
    project.ok(&[
        "docs",
        "lineage",
        "--output",
        "markdown",
        "--file",
        "LINEAGE.md",
        "--exclude",
        "resource_type:exposure",
    ]);
    let page = project.read("LINEAGE.md");
    assert_snapshot!(page, @r#"
    # Lineage of shop

    ```mermaid
    flowchart LR
      subgraph sources["Sources and seeds"]
        n0[("landing.plants")]
        n1[/"seeds.kinds"/]
      end
      subgraph bronze["Bronze"]
        n2["bronze.plants"]
      end
      subgraph silver["Silver"]
        n3["silver.priced"]
        n4[["snapshots.history"]]
      end
      subgraph gold["Gold"]
        n5["gold.totals"]
      end
      n0 --> n2
      n2 --> n3
      n3 --> n4
      n3 --> n5
      style bronze fill:#f3e2d3,stroke:#a9714b,color:#1f2328
      style silver fill:#e9ecef,stroke:#868e96,color:#1f2328
      style gold fill:#fff3bf,stroke:#c99a06,color:#1f2328
    ```

    ## Sources and seeds

    | name | kind | made from | description |
    |---|---|---|---|
    | landing.plants | source |  | What arrives. |
    | seeds.kinds | seed |  |  |

    ## Bronze

    | name | kind | made from | description |
    |---|---|---|---|
    | bronze.plants | view | landing.plants |  |

    ## Silver

    | name | kind | made from | description |
    |---|---|---|---|
    | silver.priced | table | bronze.plants | Plants with prices document.title = 'taken'  a b \| pipe code |
    | snapshots.history | snapshot | silver.priced |  |

    ## Gold

    | name | kind | made from | description |
    |---|---|---|---|
    | gold.totals | table | silver.priced |  |
    "#);
    // The same project gives the same bytes, so that the page changes only with the project.
    let printed =
        project.ok(&["docs", "lineage", "--output", "markdown", "--file", "-", "--exclude", "resource_type:exposure"]);
    assert_eq!(printed.stdout, page);
    let none = project.ok(&["docs", "lineage", "--output", "markdown", "--select", "nothing"]).stdout;
    assert!(none.contains("There is nothing to show."), "{none}");
    let by_name = project.ok(&["docs", "lineage", "--select", "+dashboard"]).stdout;
    assert_eq!(by_name, project.ok(&["docs", "lineage", "--select", "+exposure:dashboard"]).stdout);
    project.run(&["docs", "lineage", "--output", "svg"]).expect_code(2).expect_message(&["`svg`", "markdown"]);
}

fn answer(address: &str, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

/// As under dbt: what `asset-paths` names lies beside the page, and without compiling there is no manifest.
#[test]
fn docs_bring_assets_and_need_not_compile() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\nasset-paths: [pictures/, none]\n"),
        ("models/m.sql", "select 1 as id"),
        ("pictures/a/plant.svg", "<svg/>"),
        ("target/pictures/old.svg", "<svg/>"),
    ]);
    project.ok(&["docs", "generate", "--no-compile"]);
    assert_eq!(project.read("target/pictures/a/plant.svg"), "<svg/>");
    assert!(!project.path("target/pictures/old.svg").exists());
    assert!(project.path("target/index.html").is_file() && project.path("target/catalog.json").is_file());
    assert!(!project.path("target/manifest.json").exists());
    let mut server = project.start(&["docs", "serve", "--port", "0", "--no-browser"]);
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains("http://")).unwrap().unwrap();
    let address = line.split_once("http://").unwrap().1.split_once('/').unwrap().0.to_owned();
    assert_eq!(answer(&address, "/pictures/a/plant.svg", &address).0, 200);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn docs_are_served_to_this_machine_alone() {
    let project = project();
    let serve = ["docs", "serve", "--port", "0", "--no-browser"];
    project.run(&serve).expect_code(2).expect_message(&["no-documentation", "karat docs generate"]);
    project.ok(&["docs", "generate"]);
    project.write("target/secret.txt", "x");
    project.write("target/logs/secret.txt", "x");
    let mut server = project.start(&serve);
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains("http://")).unwrap().unwrap();
    let address = line.split_once("http://").unwrap().1.split_once('/').unwrap().0.to_owned();

    let (code, page) = answer(&address, "/", &address);
    assert_eq!(code, 200);
    assert!(page.contains("<title>shop</title>") && page.contains("x-content-type-options: nosniff"), "{page:.600}");
    assert_eq!(answer(&address, "/", "localhost").0, 200);
    assert_eq!(answer(&address, "/", "evil.example").0, 421);
    assert_eq!(answer(&address, "/manifest.json", &address).0, 200);
    for path in [
        "/secret.txt",
        "/logs/secret.txt",
        "/compiled",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/nothing",
    ] {
        assert_ne!(answer(&address, path, &address).0, 200, "{path}");
    }

    let port = address.rsplit_once(':').unwrap().1;
    let taken = project.run(&["docs", "serve", "--port", port, "--no-browser"]).expect_code(3);
    taken.expect_message(&["cannot-listen", port, "--port 0"]);
    server.kill().unwrap();
    server.wait().unwrap();
}
