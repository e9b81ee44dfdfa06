//! Every kind of page in a real browser: headless Chromium opens the file, and what it then shows is looked at.
//!
//! Without Chromium these tests say so and pass; with `KARAT_REQUIRE_CHROMIUM=1`, as in CI, they fail.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Stdio};

use crate::docs::project;
use crate::support::Project;

/// The browser's program, if it is there.
#[expect(clippy::print_stderr, reason = "a test that could not run must say so")]
fn browser() -> Option<&'static str> {
    let is_there =
        |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there);
    if found.is_none() {
        assert!(std::env::var_os("KARAT_REQUIRE_CHROMIUM").is_none(), "Chromium is not there");
        eprintln!("skipped: Chromium is not there");
    }
    found
}

/// What the page shows at an address, as HTML.
fn shown(browser: &str, project: &Project, hash: &str, width: u32) -> String {
    let profile = tempfile::tempdir().unwrap();
    let address = format!("file://{}{hash}", project.path("target/index.html").display());
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--virtual-time-budget=4000", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(&address)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((_, body)) = text.split_once("</script><script>").or_else(|| text.split_once("<header>")) else {
        panic!("{hash}: no page\n{text:.2000}\n{}", String::from_utf8_lossy(&output.stderr))
    };
    let (_, body) = body.split_once("<header>").unwrap_or(("", body));
    assert!(!text.contains("class=\"failure\""), "{hash}: {text:.3000}");
    // Nothing that a project says has become markup, a title or a request.
    assert!(
        !body.contains("<img") && !body.contains("<script") && !body.contains("href=\"javascript:"),
        "{hash}: {body}"
    );
    assert!(!text.contains("<title>taken</title>"), "{hash}");
    body.to_owned()
}

#[test]
fn pages_of_every_kind_open_from_a_file() {
    let Some(browser) = browser() else { return };
    let project = project();
    project.ok(&["build"]);
    project.ok(&["docs", "generate"]);
    let test = |name: &str| {
        let ids = crate::docs::document(&project);
        let ids = ids["nodes"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        format!("#/test/{}", ids.into_iter().find(|id| id.starts_with(&format!("test.shop.{name}"))).unwrap())
    };
    let (generic, singular) = (test("no_negatives_priced"), test("few_kinds"));
    // Each page with texts that it must show.
    let pages: [(&str, &[&str]); 11] = [
        ("", &["1 test warned; nothing failed.", "Sources and seeds", "Warnings", "Got 1 result"]),
        ("#/lineage", &["<svg", "landing.plants", "priced", "more", "class=\"edge\""]),
        ("#/tests", &["no_negatives", "few_kinds", "warned"]),
        (
            "#/model/model.shop.priced",
            &[
                "Silver model",
                "<strong>prices</strong>",
                "&lt;script&gt;",
                "not there",
                "\"shop\".\"silver\".\"priced\"",
                "As written",
                "Compiled",
                "Made from",
                "Used by",
                "owner: &lt;b&gt;Ann&lt;/b&gt;",
                "nightly",
            ],
        ),
        ("#/source/source.shop.landing.plants", &["landing/plants/*.csv", "The key.", "bigint", "hand"]),
        ("#/seed/seed.shop.kinds", &[">seed<", "seeds/kinds.csv", "2 inserted"]),
        ("#/snapshot/snapshot.shop.history", &["check of price", "Keys that are gone", "dbt_valid_from"]),
        ("#/exposure/exposure.shop.dashboard", &["Plants &amp; \"more\" &lt;i&gt;", "ann@example.org"]),
        (&generic, &["Looks at", "silver.priced", "price", "warned", "Failing rows"]),
        (&singular, &["few_kinds", "gold.totals", "passed"]),
        ("#/model/nothing", &["Not found"]),
    ];
    std::thread::scope(|scope| {
        for share in pages.chunks(4) {
            let (project, share) = (&project, share.to_vec());
            scope.spawn(move || {
                for (hash, texts) in share {
                    let body = shown(browser, project, hash, 1200);
                    for text in texts {
                        assert!(body.contains(text), "{hash}: `{text}` is not in\n{body}");
                    }
                }
            });
        }
    });
    let narrow = shown(browser, &project, "#/model/model.shop.priced", 500);
    assert!(narrow.contains("<details id=\"menu\">"), "{narrow:.500}");
}

#[test]
fn the_overview_puts_trouble_first() {
    let Some(browser) = browser() else { return };
    let project = project();
    project.ok(&["docs", "generate"]);
    assert!(shown(browser, &project, "", 1200).contains("Nothing was run yet"));
    project.write("tests/few_kinds.sql", "select * from {{ ref('totals') }} where total < 1000\n");
    project.run(&["build"]).expect_code(1);
    project.ok(&["docs", "generate"]);
    let overview = shown(browser, &project, "", 1200);
    assert!(overview.contains("Needs attention") && overview.contains("withheld"), "{overview}");
    let model = shown(browser, &project, "#/model/model.shop.totals", 1200);
    assert!(model.contains("kept from readers"), "{model}");
}
