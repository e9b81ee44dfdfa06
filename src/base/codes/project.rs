//! Files of the project: YAML, configuration, names.

use super::{Code, Stage};

pub(super) const CODES: &[Code] = &[
    Code {
        name: "bad-config",
        stage: Stage::Project,
        exits: &[2, 1],
        title: "configurations contradict each other",
        cause: "Two settings of one node exclude each other, or a setting has a value that only shows to be wrong \
            when it is used, such as an unknown codec.",
        fix: "Keep the one that you mean. The message names both.",
        example: None,
    },
    Code {
        name: "bad-constraint",
        stage: Stage::Project,
        exits: &[2],
        title: "a constraint cannot be used",
        cause: "A constraint of a model with an enforced contract lacks what its type needs (`expression` of a check, `columns`, `to` \
            of a foreign key), names a column that the model does not list, or contradicts another one: a model has one \
            primary key.",
        fix: "Complete it. A key of several columns is a constraint of the model, not of its columns.",
        example: Some(
            "models:
  - name: orders
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, columns: [order_id, line]}
      - {type: foreign_key, columns: [user_id], to: ref('users'), to_columns: [id]}
    columns:
      - {name: amount, data_type: double, constraints: [{type: check, expression: amount >= 0}]}",
        ),
    },
    Code {
        name: "bad-fixture",
        stage: Stage::Project,
        exits: &[2, 1],
        title: "the rows of a unit test cannot be used",
        cause: "Rows are not written as their `format` says, name a column that the relation does not have, hold a \
            value that is none of its column's type, or are in a file that does not exist.",
        fix: "Write a list of mappings, CSV with a first line of names (`format: csv`) or a query (`format: sql`). \
            Files of rows are in `tests/fixtures` and are named without their extension: `fixture: orders`.",
        example: Some(
            "given:
  - input: ref('stg_orders')
    rows:
      - {order_id: 1, amount: 9.5}
  - input: ref('stg_users')
    format: csv
    fixture: users",
        ),
    },
    Code {
        name: "bad-function",
        stage: Stage::Project,
        exits: &[2],
        title: "a function is not described",
        cause: "A file in `functions/` needs a description of its arguments and of what it returns, each with its \
            `data_type`; forms of one function differ in the number of their arguments.",
        fix: "Describe it in a `.yml` file beside it, below `functions:`.",
        example: Some(
            "functions:
  - name: price_for_xlarge
    arguments: [{name: price, data_type: double}]
    returns: {data_type: double}",
        ),
    },
    Code {
        name: "bad-location",
        stage: Stage::Project,
        exits: &[2],
        title: "the location of a source's files cannot be used",
        cause: "`external: {location: ...}` holds a placeholder that karat does not know, or a call such as \
            `read_csv(...)` instead of a path.",
        fix: "Write the path or pattern alone, and everything else under `format` and `options`.",
        example: Some(
            "external:
  location: 'landing/orders/*.csv'
  format: csv
  options: {delimiter: ';'}",
        ),
    },
    Code {
        name: "bad-metric",
        stage: Stage::Project,
        exits: &[2, 0],
        title: "a metric is not described correctly",
        cause: "A rule of dbt's semantic layer is broken: the name, the aggregation, the time, an alias or the \
            title of a metric does not fit, or what it is made from.",
        fix: "Mend what the message names. Each metric has a name of small letters, a title of its own, and a time by \
            which it is aggregated.",
        example: Some(
            "metrics:
  - name: revenue
    label: Revenue
    type: simple
    type_params:
      measure: revenue",
        ),
    },
    Code {
        name: "bad-name",
        stage: Stage::Project,
        exits: &[2],
        title: "a name cannot be used for a relation, a project, a target or a metric",
        cause: "The name is empty, too long, or has characters that a table's name must not have. Names become \
            folders of the warehouse.",
        fix: "Use letters, digits and `_`, not beginning with a digit. A model whose file must keep its name gets \
            another relation with `alias`.",
        example: None,
    },
    Code {
        name: "bad-relation",
        stage: Stage::Project,
        exits: &[2],
        title: "a relation is not named by `ref` or `source`",
        cause: "The `relation:` of a snapshot, or a parent in `depends_on:` of an exposure, is another text than one \
            call of `ref` or `source`.",
        fix: "Write `ref('model')` or `source('source', 'table')`.",
        example: None,
    },
    Code {
        name: "bad-semantic-model",
        stage: Stage::Project,
        exits: &[2, 0],
        title: "a semantic model is not described correctly",
        cause: "A rule of dbt's semantic layer is broken: a name is taken or cannot be used, the primary entity or \
            the time of the measures is missing, or an aggregation has arguments that do not fit.",
        fix: "Mend what the message names. A semantic model with dimensions has one primary entity, and each measure \
            has a time by which it is aggregated.",
        example: Some(
            "semantic_models:
  - name: orders
    model: ref('orders')
    defaults: {agg_time_dimension: ordered_at}
    entities:
      - {name: order, type: primary, expr: order_id}
    dimensions:
      - {name: ordered_at, type: time, type_params: {time_granularity: day}}
    measures:
      - {name: revenue, agg: sum, expr: amount}",
        ),
    },
    Code {
        name: "bad-test",
        stage: Stage::Project,
        exits: &[2],
        title: "the arguments of a test are indented wrongly",
        cause: "A data test is written as a mapping with several keys: the arguments stand at the level of the \
            test's name.",
        fix: "Indent the arguments two levels deeper than the name.",
        example: Some(
            "data_tests:
  - accepted_values:
      arguments:
        values: [new, paid]",
        ),
    },
    Code {
        name: "bad-time-spine",
        stage: Stage::Project,
        exits: &[2],
        title: "the columns of a time spine are not described",
        cause: "The `time_spine` of a model names a column that the model does not describe, or whose `granularity` \
            it does not say.",
        fix: "Describe the column below `columns:` of the same model, with its `granularity`.",
        example: Some(
            "models:
  - name: all_days
    time_spine: {standard_granularity_column: day}
    columns:
      - {name: day, granularity: day}",
        ),
    },
    Code {
        name: "bad-unit-test",
        stage: Stage::Project,
        exits: &[2],
        title: "a unit test is not written correctly",
        cause: "A unit test is about something that is not a model, gives an input twice, or has an input that is \
            neither `ref(...)` nor `source(...)` nor `this`.",
        fix: "Name a model under `model`, and each relation that it reads once under `given`.",
        example: Some(
            "unit_tests:
  - name: totals_have_tax
    model: orders
    given:
      - input: ref('stg_orders')
        rows: [{order_id: 1, net: 100}]
    expect:
      rows: [{order_id: 1, total: 119}]",
        ),
    },
    Code {
        name: "bad-value",
        stage: Stage::Project,
        exits: &[2, 1],
        title: "a value is not one of those that are allowed",
        cause: "In a file of the project: a key has a value that it cannot have. While a query runs: a value of the \
            data cannot be converted to the type that the query asks for.",
        fix: "For a key, use one of the values that the message lists. For data, read bad values as null with \
            `try_cast`, or mend them in a layer below.",
        example: None,
    },
    Code {
        name: "bad-vars",
        stage: Stage::Project,
        exits: &[2],
        title: "`--vars` is not a mapping",
        cause: "The text after `--vars` is YAML, but a list or a single value.",
        fix: "Write `--vars '{name: value}'`.",
        example: None,
    },
    Code {
        name: "bad-version",
        stage: Stage::Project,
        exits: &[2],
        title: "the versions of a model are not well described",
        cause: "A version is listed twice, `latest_version` is none of the versions, two versions are defined in one file, or a \
            version has several items with `include`.",
        fix: "Give each version its own `v` and its own file: `<model>_v<version>.sql`, or the name that `defined_in` says.",
        example: Some(
            "models:
  - name: orders
    latest_version: 2
    versions:
      - v: 1
      - v: 2
        columns: [{include: all, exclude: [old_total]}]",
        ),
    },
    Code {
        name: "bad-yaml",
        stage: Stage::Project,
        exits: &[2],
        title: "a file is not YAML",
        cause: "The file breaks a rule of YAML at the place that is marked. Frequent reasons are a tab in the \
            indentation, a missing blank behind `:`, a bracket or quote that is never closed, and Jinja outside of \
            quotes.",
        fix: "Mend the place, or the line above it. Text with `{{ }}`, `: ` or ` #` belongs in quotes.",
        example: None,
    },
    Code {
        name: "broken-package",
        stage: Stage::Project,
        exits: &[2],
        title: "what was fetched is no package",
        cause: "An archive, a repository or a folder that is listed as a package holds no project file that can be \
            read, or its name is taken, or the revision that is wanted is not there.",
        fix: "Check the address, the revision and the `subdirectory` of the entry that the message shows.",
        example: Some("packages:\n  - git: https://github.com/dbt-labs/dbt-utils.git\n    revision: 1.3.0"),
    },
    Code {
        name: "connection-replaced",
        stage: Stage::Project,
        exits: &[0],
        title: "the connection of a dbt profile is not used",
        cause: "The target describes a connection to a warehouse of another product. karat takes its name, schema \
            and threads, and stores the data in its own warehouse.",
        fix: "Nothing has to be done. A target with `type: karat` and a `path` says the same without the note.",
        example: None,
    },
    Code {
        name: "duplicate-column",
        stage: Stage::Project,
        exits: &[0, 2],
        title: "a column is there twice",
        cause: "A column is described twice below one node, which is a warning: as under dbt the later description \
            holds, and the tests of both are run. Or a query gives two columns of the same name, which is an error.",
        fix: "Make one description of them, or give each expression of the query its own name with `as`.",
        example: None,
    },
    Code {
        name: "duplicate-doc",
        stage: Stage::Project,
        exits: &[2],
        title: "two docs blocks have one name",
        cause: "`{% docs name %}` occurs twice in one package.",
        fix: "Rename one of the blocks, or remove it.",
        example: None,
    },
    Code {
        name: "duplicate-package",
        stage: Stage::Project,
        exits: &[2],
        title: "two packages have one name",
        cause: "Two folders of installed packages have the same `name` in their project files.",
        fix: "Remove one of the two folders.",
        example: None,
    },
    Code {
        name: "duplicate-properties",
        stage: Stage::Project,
        exits: &[2],
        title: "a node is described twice",
        cause: "Two entries of properties files describe the same model, seed, snapshot, source table or macro.",
        fix: "Join the two descriptions in one entry.",
        example: None,
    },
    Code {
        name: "duplicate-selector",
        stage: Stage::Project,
        exits: &[2],
        title: "two selectors have one name",
        cause: "`selectors.yml` defines the same name twice.",
        fix: "Rename one of them, or remove it.",
        example: None,
    },
    Code {
        name: "duplicate-yaml-key",
        stage: Stage::Project,
        exits: &[2],
        title: "a key occurs twice in one mapping",
        cause: "YAML would silently let one of the two win, so karat refuses both.",
        fix: "Remove one of the two lines, or join their values.",
        example: None,
    },
    Code {
        name: "microbatch-reads-all",
        stage: Stage::Project,
        exits: &[0],
        title: "a microbatch model has no parent with an `event_time`",
        cause: "Batches read only the rows of their own time from parents that say when their events happened. No \
            parent of this model does, so each batch reads all rows of all parents.",
        fix: "Set `event_time` on the sources, seeds or models that it reads.",
        example: Some(
            "models:
  - name: stg_events
    config: {event_time: happened_at}",
        ),
    },
    Code {
        name: "missing-config",
        stage: Stage::Project,
        exits: &[2],
        title: "a configuration that is needed is missing",
        cause: "The node's materialization or strategy needs a setting that is not there, such as `unique_key` for a \
            merge, `partition_by` for `insert_overwrite` or `updated_at` for a snapshot by timestamp.",
        fix: "Set it, or choose a strategy that does without.",
        example: None,
    },
    Code {
        name: "missing-input",
        stage: Stage::Project,
        exits: &[2, 1],
        title: "a unit test gives no rows for something that its model reads",
        cause: "The model of a unit test reads a relation that is not among the test's `given`. A unit test reads no \
            data but its own.",
        fix: "Add an `input` for it, with `rows: []` if it plays no part.",
        example: None,
    },
    Code {
        name: "missing-key",
        stage: Stage::Project,
        exits: &[2],
        title: "a key that is needed is missing",
        cause: "An entry of a YAML file lacks a key without which it means nothing, most often `name`.",
        fix: "Add the key at the place that is marked.",
        example: None,
    },
    Code {
        name: "not-in-yaml",
        stage: Stage::Project,
        exits: &[2],
        title: "a value of a YAML file asks for something that only SQL has",
        cause: "Jinja in YAML files is evaluated before anything is built; it knows `var`, `env_var` and `target`, \
            not `ref`, `source` or queries.",
        fix: "Move the logic to a macro or a model, or write the value out.",
        example: None,
    },
    Code {
        name: "not-supported-yet",
        stage: Stage::Project,
        exits: &[2, 0],
        title: "karat knows this of dbt, but does not do it yet",
        cause: "The key, flag, method or file is part of dbt's language, and karat does not act on it. Where leaving \
            it out changes no data it is a warning, else an error.",
        fix: "Remove it, or do without; the message names the nearest thing that works.",
        example: None,
    },
    Code {
        name: "package-unreachable",
        stage: Stage::Project,
        exits: &[3],
        title: "a package cannot be fetched",
        cause: "The index of packages, a server or a git repository does not answer, or git is not installed.",
        fix: "Check the network and the address. Without a network use `local` packages, or commit the folder of \
            installed packages.",
        example: Some("packages:\n  - local: ../shared/our_macros"),
    },
    Code {
        name: "package-version",
        stage: Stage::Project,
        exits: &[2],
        title: "no version of a package fits",
        cause: "The conditions on a package's version, of the project and of its packages together, leave none; or \
            two revisions of one repository are wanted.",
        fix: "Loosen the conditions. `--no-version-check` takes versions that were made for another dbt.",
        example: Some("packages:\n  - package: dbt-labs/dbt_utils\n    version: ['>=1.1.0', '<2.0.0']"),
    },
    Code {
        name: "packages-not-installed",
        stage: Stage::Project,
        exits: &[2],
        title: "packages of the project are missing",
        cause: "`packages.yml` or `dependencies.yml` lists more packages than there are in the folder of packages.",
        fix: "Run `karat deps`.",
        example: None,
    },
    Code {
        name: "path-outside-project",
        stage: Stage::Project,
        exits: &[2],
        title: "a path leaves the project",
        cause: "A path of the project file is absolute or goes up with `..`, or a link below the project leads out of it. A \
            project reads only its own folder, so that it means the same on every machine.",
        fix: "Move the files below the project's folder and name them relative to it.",
        example: None,
    },
    Code {
        name: "reserved-argument",
        stage: Stage::Project,
        exits: &[2],
        title: "a test sets the argument `model`",
        cause: "karat passes the tested relation to a generic test as `model`, so a test cannot set it.",
        fix: "Rename the argument in the test's macro.",
        example: None,
    },
    Code {
        name: "two-project-files",
        stage: Stage::Project,
        exits: &[0],
        title: "there are two project files",
        cause: "The folder has a `project.yml` and a `dbt_project.yml`; the first one counts.",
        fix: "Remove the one that is not meant.",
        example: None,
    },
    Code {
        name: "unknown-config",
        stage: Stage::Project,
        exits: &[0],
        title: "a configuration is not known",
        cause: "A key of `config` is nearly one that karat knows. Keys that are like none of them are kept for \
            macros, as `meta` is.",
        fix: "Correct the spelling.",
        example: None,
    },
    Code {
        name: "unknown-doc",
        stage: Stage::Project,
        exits: &[2],
        title: "a docs block does not exist",
        cause: "A description calls `doc('name')`, and no `.md` file has `{% docs name %}`.",
        fix: "Correct the name, or write the block.",
        example: None,
    },
    Code {
        name: "unknown-key",
        stage: Stage::Project,
        exits: &[2, 0],
        title: "a key is not known",
        cause: "The mapping that is marked has no such key. karat refuses unknown keys, because a misspelt one would \
            silently do nothing. Keys of dbt that concern other products only are a warning.",
        fix: "Correct the spelling. Facts of your own belong under `meta`, settings of a node under `config`.",
        example: None,
    },
    Code {
        name: "unknown-package",
        stage: Stage::Project,
        exits: &[2],
        title: "the index has no such package",
        cause: "The name after `package:` is not in the index of packages.",
        fix: "Write it as the index does, with its namespace, such as `dbt-labs/dbt_utils`.",
        example: None,
    },
    Code {
        name: "unmatched-properties",
        stage: Stage::Project,
        exits: &[0],
        title: "a description belongs to nothing",
        cause: "A properties file describes a model, seed, snapshot or macro that does not exist.",
        fix: "Correct the name, or remove the entry of a node that is gone.",
        example: None,
    },
    Code {
        name: "unpinned-package",
        stage: Stage::Project,
        exits: &[0],
        title: "a package may change by itself",
        cause: "A git package without a revision, or with the name of a main branch, is what that branch holds when \
            the packages are installed anew.",
        fix: "Pin it to a tag or a commit, or say `warn-unpinned: false`.",
        example: Some("packages:\n  - git: https://github.com/dbt-labs/dbt-utils.git\n    revision: 1.3.0"),
    },
    Code {
        name: "unreadable-file",
        stage: Stage::Project,
        exits: &[2],
        title: "a file of the project cannot be read",
        cause: "The file is not UTF-8 text, is larger than a text file of a project may be, is a link that leads out \
            of the project, or the system refuses to read it.",
        fix: "Save the file as UTF-8 (without NUL bytes), replace links by files, and put data into seeds or sources \
            instead of text files.",
        example: None,
    },
    Code {
        name: "unused-config",
        stage: Stage::Project,
        exits: &[0],
        title: "a configuration holds for nothing",
        cause: "A path below `models:`, `seeds:` or another tree of the project file names no package, folder or \
            node. Without a leading `+` a key is the name of a folder.",
        fix: "Correct the name, or write `+` before a configuration key.",
        example: Some(
            "models:
  shop:
    gold:
      +materialized: table",
        ),
    },
    Code {
        name: "unused-input",
        stage: Stage::Project,
        exits: &[0],
        title: "a metric does not use what it is made from",
        cause: "A derived metric lists a metric that its `expr` does not use.",
        fix: "Use it in `expr`, by its `alias` if it has one, or take it away.",
        example: None,
    },
    Code {
        name: "wrong-type",
        stage: Stage::Project,
        exits: &[2],
        title: "a value has the wrong kind",
        cause: "A key has a text where a list is expected, a list where a mapping is expected, and so on.",
        fix: "Write the kind of value that the message names.",
        example: None,
    },
    Code {
        name: "yaml-too-large",
        stage: Stage::Project,
        exits: &[2],
        title: "a YAML file is too deep or too large",
        cause: "The file, with its aliases expanded, passes a limit that protects karat from files made to exhaust it.",
        fix: "Split the file, or use fewer aliases.",
        example: None,
    },
];
