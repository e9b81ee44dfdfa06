//! `deps`: packages from folders, git, archives and an index, without any network but this process's own server.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at folders")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use crate::support::{Project, Run};

/// An index of packages with their archives, which answers until the test ends.
struct Hub {
    address: String,
    pages: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Hub {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let known = Arc::clone(&pages);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.next().unwrap().unwrap();
                let path = request.split(' ').nth(1).unwrap().to_owned();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let page = known.lock().unwrap().get(&path).cloned();
                let status = if page.is_some() { "200 OK" } else { "404 Not Found" };
                let body = page.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { address, pages }
    }

    fn put(&self, path: &str, body: Vec<u8>) {
        self.pages.lock().unwrap().insert(path.to_owned(), body);
    }

    /// Publishes a package: versions with the dbt that they need and the packages that they want.
    fn publish(&self, namespace: &str, name: &str, versions: &[(&str, &str, Json)]) {
        let mut entries = serde_json::Map::new();
        for (version, dbt, packages) in versions {
            let path = format!("/archive/{name}-{version}.tar.gz");
            self.put(&path, archive(&format!("{name}-{version}"), &package(name, &format!("'{name} {version}'"))));
            let entry = json!({
                "name": name, "packages": packages, "downloads": {"tarball": format!("{}{path}", self.address)},
                "require_dbt_version": [dbt],
            });
            entries.insert((*version).to_owned(), entry);
        }
        let page = json!({"name": name, "namespace": namespace, "versions": entries});
        self.put(&format!("/api/v1/{namespace}/{name}.json"), page.to_string().into_bytes());
        self.put("/api/v1/index.json", json!([format!("{namespace}/{name}")]).to_string().into_bytes());
    }

    fn deps(&self, project: &Project, arguments: &[&str]) -> Run {
        let arguments = [&["deps"], arguments].concat();
        project.run_with(&arguments, &[("KARAT_PACKAGE_HUB_URL", &self.address)])
    }
}

/// Files of a package with one macro, which gives a value.
fn package(name: &str, value: &str) -> Vec<(String, String)> {
    vec![
        ("dbt_project.yml".to_owned(), format!("name: {name}\nversion: '1.0'\n")),
        ("macros/m.sql".to_owned(), format!("{{% macro value() %}}{value}{{% endmacro %}}\n")),
    ]
}

fn archive(folder: &str, files: &[(String, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{folder}/{path}"), text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn project(packages: &str, model: &str) -> Project {
    Project::new(&[
        ("dbt_project.yml", "name: shop\nversion: '1.0'\n"),
        ("packages.yml", packages),
        ("models/m.sql", model),
    ])
}

fn write_package(project: &Project, folder: &str, name: &str, value: &str) {
    for (path, text) in package(name, value) {
        project.write(&format!("{folder}/{path}"), &text);
    }
}

#[test]
fn packages_of_the_index_with_what_they_want() {
    let hub = Hub::new();
    let wants = json!([{"package": "acme/base", "version": [">=1.0.0", "<1.2.0"]}]);
    hub.publish("acme", "tools", &[("2.0.0", ">=1.3.0", wants.clone()), ("3.0.0", ">=99.0.0", json!([]))]);
    let base = |version| (version, ">=1.0.0", json!([]));
    hub.publish("acme", "base", &["1.0.0", "1.1.5", "1.1.10", "1.2.0", "2.0.0-rc1"].map(base));
    let project = project(
        "packages:\n  - package: acme/tools\n    version: '>=1.0.0'\n  - package: acme/base\n    version: ['>=1.1.0']\n",
        "select {{ tools.value() }} as t, {{ base.value() }} as b",
    );
    let before = project.run(&["build"]).expect_code(2);
    assert!(before.stderr.contains("error[packages-not-installed]"), "{}", before.stderr);
    assert!(before.stderr.contains("run `karat deps`"), "{}", before.stderr);

    // A version for another dbt is passed over; conditions of all who want a package count.
    let run = hub.deps(&project, &[]).expect_code(0);
    assert!(run.stderr.contains("Installed base, version 1.1.10 (version 1.2.0 is available)"), "{}", run.stderr);
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from main.m"), ["tools 2.0.0|base 1.1.10"]);
    insta::assert_snapshot!(project.read("package-lock.yml"), @r"
    packages:
      - name: tools
        package: acme/tools
        version: 2.0.0
      - name: base
        package: acme/base
        version: 1.1.10
    sha1_hash: a404c26400213886f78b38fb3691d5f5c0074085
    ");

    // The lock file rules until the list changes or an upgrade is asked for.
    hub.publish("acme", "base", &["1.1.10", "1.1.11", "1.2.0"].map(base));
    hub.deps(&project, &[]).expect_code(0);
    assert!(project.read("package-lock.yml").contains("version: 1.1.10"));
    let run = hub.deps(&project, &["--upgrade", "--lock"]).expect_code(0);
    assert!(!run.stderr.contains("Installed"), "{}", run.stderr);
    assert!(project.read("package-lock.yml").contains("version: 1.1.11"));
    assert!(project.read("dbt_packages/base/macros/m.sql").contains("1.1.10"));
    hub.deps(&project, &[]).expect_code(0);
    assert!(project.read("dbt_packages/base/macros/m.sql").contains("1.1.11"));

    let run = hub.deps(&project, &["--no-version-check", "--upgrade"]).expect_code(0);
    assert!(run.stderr.contains("Installed tools, version 3.0.0"), "{}", run.stderr);
    assert!(project.files_below(".").keys().all(|path| !path.contains(".karat-deps")), "scratch is left");
}

#[test]
fn folders_repositories_and_archives() {
    let hub = Hub::new();
    hub.put("/loose.tar.gz", archive("loose-1.0", &package("loose", "'archive'")));
    let project = project("", "select {{ near.value() }} as n, {{ far.value() }} as f, {{ loose.value() }} as l");
    write_package(&project, "vendor/near", "near", "'folder'");
    // What a folder wants is relative to the root project, as under dbt.
    project.write("vendor/near/packages.yml", "packages: [{local: vendor/deep}]\n");
    project.write("vendor/near/dbt_packages/old/dbt_project.yml", "name: old\n");
    project.write("vendor/near/target/manifest.json", "{}");
    write_package(&project, "vendor/deep", "deep", "'deep'");
    write_package(&project, "repository/sub", "far", "'first'");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(project.path("repository")).args(["-c", "user.name=n", "-c", "user.email=e"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "--quiet", "-m", "first"]);
    git(&["tag", "v1"]);
    let first = git(&["rev-parse", "HEAD"]);
    write_package(&project, "repository/sub", "far", "'second'");
    git(&["commit", "--quiet", "-a", "-m", "second"]);
    let second = git(&["rev-parse", "HEAD"]);

    let url = format!("file://{}", project.path("repository").display());
    let list = |revision: &str| {
        format!(
            "packages:\n  - local: vendor/near\n  - git: \"{url}\"\n    subdirectory: sub\n{revision}  - tarball: \
             \"{}/loose.tar.gz\"\n    name: loose\n",
            hub.address
        )
    };
    project.write("packages.yml", &list("    revision: v1\n"));
    let run = hub.deps(&project, &[]).expect_code(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from main.m"), ["folder|first|archive"]);
    assert!(project.read("package-lock.yml").contains(&format!("revision: {first}\n    subdirectory: sub")));
    let installed: Vec<String> = project.files_below("dbt_packages").into_keys().collect();
    assert!(installed.iter().any(|path| path.ends_with("deep/macros/m.sql")), "{installed:?}");
    assert!(!installed.iter().any(|path| path.contains("/target/") || path.contains(".git/")), "{installed:?}");

    // Without a revision it is the newest commit, with a warning; the lock file keeps that one.
    project.write("packages.yml", &list(""));
    let run = hub.deps(&project, &[]).expect_code(0);
    assert!(run.stderr.contains("warning[unpinned-package]") && run.stderr.contains(&second), "{}", run.stderr);
    assert!(project.read("dbt_packages/far/macros/m.sql").contains("second"));
    // A commit by its hash, which a server need not give alone.
    project.write("packages.yml", &list(&format!("    revision: {first}\n")));
    hub.deps(&project, &[]).expect_code(0);
    assert!(project.read("dbt_packages/far/macros/m.sql").contains("first"));
}

#[test]
fn what_goes_wrong_is_told_and_leaves_what_was_installed() {
    let hub = Hub::new();
    hub.publish("acme", "tools", &[("1.0.0", ">=1.0.0", json!([])), ("1.1.0", ">=1.0.0", json!([]))]);
    let two = ["one/dbt_project.yml", "two/dbt_project.yml"].map(|path| (path.to_owned(), String::new()));
    hub.put("/two.tar.gz", archive(".", &two));
    hub.put("/fine.tar.gz", archive("fine", &package("fine", "1")));
    hub.put("/text.tar.gz", b"no archive".to_vec());
    let project =
        project("packages:\n  - package: acme/tools\n    version: 1.0.0\n", "select {{ tools.value() }} as t");
    hub.deps(&project, &[]).expect_code(0);
    let installed = project.files_below("dbt_packages");
    let address = hub.address.clone();
    let cases: [(&str, i32, &[&str]); 13] = [
        (
            "{package: acme/tool, version: 1.0.0}",
            2,
            &["error[unknown-package]", "has no package `acme/tool`", "did you mean `acme/tools`?"],
        ),
        (
            "{package: acme/tools, version: '>=2.0.0'}",
            2,
            &["error[package-version]", "no version of `acme/tools` is >=2.0.0: there are 1.1.0, 1.0.0"],
        ),
        ("{package: acme/tools, version: '1.x'}", 2, &["error[broken-package]", "`1.x` is not a version"]),
        ("{package: tools, version: 1.0.0}", 2, &["error[bad-value]", "`tools` is not a package of the index"]),
        ("{package: acme/tools}", 2, &["error[missing-key]", "the package `acme/tools` has no `version`"]),
        ("{package: acme/tools, version: 1.0.0, revison: v1}", 2, &["error[unknown-key]", "has no key `revison`"]),
        ("{local: nowhere}", 2, &["error[broken-package]", "there is no folder `nowhere`"]),
        (
            "{git: 'file:///nowhere/at/all'}",
            3,
            &["error[package-unreachable]", "`file:///nowhere/at/all` cannot be reached"],
        ),
        ("{tarball: 'ADDRESS/text.tar.gz', name: x}", 2, &["error[broken-package]", "cannot be unpacked"]),
        (
            "{tarball: 'ADDRESS/two.tar.gz', name: x}",
            2,
            &["error[broken-package]", "must hold one folder, but holds 2"],
        ),
        (
            "{tarball: 'ADDRESS/fine.tar.gz', name: '../out'}",
            2,
            &["error[broken-package]", "`../out` is not a plain name"],
        ),
        ("{tarball: 'ADDRESS/gone.tar.gz', name: x}", 2, &["error[broken-package]", "is not there"]),
        ("{tarball: 'http://127.0.0.1:1/x.tar.gz', name: x}", 3, &["error[package-unreachable]", "Connection refused"]),
    ];
    for (entry, code, parts) in cases {
        project.write("packages.yml", &format!("packages:\n  - {}\n", entry.replace("ADDRESS", &address)));
        let run = hub.deps(&project, &[]).expect_code(code);
        for part in parts.iter().chain(&["--> packages.yml:2:"]) {
            assert!(run.stderr.contains(part), "{entry}: `{part}` is not in\n{}", run.stderr);
        }
        assert_eq!(project.files_below("dbt_packages"), installed, "{entry}");
    }
    project.write("packages.yml", "packages:\n  - local: a\n  - local: b\n");
    write_package(&project, "a", "same", "1");
    write_package(&project, "b", "same", "2");
    let run = hub.deps(&project, &[]).expect_code(2);
    assert!(run.stderr.contains("`a` has the same project name, `same`"), "{}", run.stderr);
    project.write("packages.yml", "packages:\n  - {git: u, revision: a}\n  - {git: u.git, revision: b}\n");
    hub.deps(&project, &[]).expect_code(3);
    assert_eq!(project.files_below("dbt_packages"), installed);

    // No list, or an empty one, is nothing to do.
    project.write("packages.yml", "packages: []\n");
    assert!(hub.deps(&project, &[]).expect_code(0).stderr.contains("there are no packages to install"));
    project.write("dependencies.yml", "packages:\n  - {local: a}\n");
    let run = hub.deps(&project, &[]).expect_code(2);
    assert!(run.stderr.contains("packages are listed in `packages.yml` and in `dependencies.yml`"), "{}", run.stderr);
    project.remove("packages.yml");
    hub.deps(&project, &[]).expect_code(0);
    assert_eq!(project.files_below("dbt_packages").len(), 2);
    // `clean` works whether or not packages are there.
    std::fs::remove_dir_all(project.path("dbt_packages")).unwrap();
    project.ok(&["clean"]);
}

#[test]
fn packages_are_added_to_the_list() {
    let project = project(
        "# mine\npackages:\n  - local: vendor/near\n",
        "select {{ near.value() }} as n, {{ other.value() }} as o",
    );
    write_package(&project, "vendor/near", "near", "'near'");
    write_package(&project, "vendor/other", "other", "'other'");
    project
        .ok(&["deps", "--add-package", "vendor/other", "--source", "local"])
        .expect_message(&["Added vendor/other to packages.yml"]);
    assert_eq!(
        project.read("packages.yml"),
        "# mine\npackages:\n  - local: vendor/near\n  - local: \"vendor/other\"\n"
    );
    project.ok(&["run"]);
    assert_eq!(project.rows("select n, o from {{ ref('m') }}"), ["near|other"]);
    for (arguments, told) in [
        (&["vendor/other", "--source", "local"][..], "have `vendor/other` already"),
        (&["dbt-labs/dbt_utils"][..], "says no version"),
    ] {
        let run = project.run(&[&["deps", "--add-package"], arguments].concat()).expect_code(2);
        run.expect_message(&["error[invalid-argument]", told]);
    }
}

/// What a package writes to name relations names its own nodes; `ref`, `source` and `doc` look in the root project
/// first, unless the flag turns that round. All as under dbt.
#[test]
fn packages_name_their_nodes_and_look_in_the_root_first() {
    let files = |flags: &str| {
        Project::new(&[
            ("dbt_project.yml", &format!("name: root\nversion: '1.0'\n{flags}")),
            ("models/shared.sql", "select 'root' as found"),
            ("models/s.yml", "sources: [{name: so, schema: of_root, tables: [{name: t}]}]"),
            ("models/docs.md", "{% docs both %}of the root{% enddocs %}"),
            ("macros/m.sql", "{% macro generate_schema_name(name, node) %}by_root{% endmacro %}"),
            ("dbt_packages/pk/dbt_project.yml", "name: pk\nversion: '1.0'\n"),
            ("dbt_packages/pk/models/shared.sql", "select 'package' as found"),
            ("dbt_packages/pk/models/useboth.sql", "select * from {{ ref('shared') }} -- {{ source('so', 't') }}"),
            (
                "dbt_packages/pk/models/s.yml",
                "sources: [{name: so, schema: of_pk, tables: [{name: t}]}]\nmodels: [{name: useboth, description: \"{{ doc('both') }}\"}]",
            ),
            ("dbt_packages/pk/models/docs.md", "{% docs both %}of the package{% enddocs %}"),
            (
                "dbt_packages/pk/macros/m.sql",
                "{% macro generate_alias_name(name=none, node=none) %}pk_{{ node.name }}{% endmacro %}",
            ),
        ])
    };
    let useboth = |project: &Project| {
        project.ok(&["parse"]);
        let node = serde_json::from_str::<serde_json::Value>(&project.read("target/manifest.json")).unwrap()["nodes"]["model.pk.useboth"].clone();
        [
            node["relation_name"].as_str().unwrap().to_owned(),
            node["depends_on"]["nodes"].to_string(),
            node["description"].as_str().unwrap().to_owned(),
        ]
    };
    assert_eq!(
        useboth(&files("")),
        ["\"root\".\"by_root\".\"pk_useboth\"", "[\"source.root.so.t\",\"model.root.shared\"]", "of the root"]
    );
    assert_eq!(
        useboth(&files("flags: {require_ref_searches_node_package_before_root: true}\n")),
        ["\"root\".\"by_root\".\"pk_useboth\"", "[\"source.pk.so.t\",\"model.pk.shared\"]", "of the package"]
    );
}
