//! The graph: what refers to what.

use super::{Code, Stage};

pub(super) const CODES: &[Code] = &[
    Code {
        name: "ambiguous-ref",
        stage: Stage::Graph,
        exits: &[2],
        title: "a `ref` could mean several nodes",
        cause: "Several packages have a node of the name, and the project that refers to it has none.",
        fix: "Name the package: `ref('package', 'model')`.",
        example: None,
    },
    Code {
        name: "cycle",
        stage: Stage::Graph,
        exits: &[2],
        title: "nodes depend on each other in a circle",
        cause: "Following the references from a node leads back to it, so none of them could be built first. The \
            whole circle is shown.",
        fix: "Remove one of the references, for example by moving the shared part to a model of its own.",
        example: None,
    },
    Code {
        name: "deprecated-model",
        stage: Stage::Graph,
        exits: &[0],
        title: "a model is past its deprecation date",
        cause: "The model is still there, although its `deprecation_date` has passed.",
        fix: "Remove the model once nobody uses it, or give it a later date.",
        example: None,
    },
    Code {
        name: "deprecated-ref",
        stage: Stage::Graph,
        exits: &[0],
        title: "a model refers to one that is past its deprecation date",
        cause: "The `deprecation_date` of the model that is referred to has passed: it may be gone soon.",
        fix: "Refer to a later version, or to what replaces the model.",
        example: None,
    },
    Code {
        name: "disabled-ref",
        stage: Stage::Graph,
        exits: &[2],
        title: "a node refers to a disabled one",
        cause: "The node exists, but its configuration says `enabled: false`.",
        fix: "Enable it, or disable what uses it.",
        example: None,
    },
    Code {
        name: "disabled-source",
        stage: Stage::Graph,
        exits: &[2],
        title: "a node refers to a disabled source",
        cause: "The source exists, but its configuration says `enabled: false`.",
        fix: "Enable it, or disable what uses it.",
        example: None,
    },
    Code {
        name: "duplicate-name",
        stage: Stage::Graph,
        exits: &[2],
        title: "two things have one name",
        cause: "Two exposures, analyses, operations or the like have the same name.",
        fix: "Rename one of them.",
        example: None,
    },
    Code {
        name: "duplicate-node",
        stage: Stage::Graph,
        exits: &[2],
        title: "two models, seeds or snapshots have one name",
        cause: "`ref('name')` must mean one node, so models, seeds and snapshots of a package share one space of \
            names, whatever their folders are.",
        fix: "Rename one of the files. The relation can keep its name with `alias`.",
        example: None,
    },
    Code {
        name: "duplicate-relation",
        stage: Stage::Graph,
        exits: &[2],
        title: "two nodes are stored in one relation",
        cause: "Schema and name of two nodes are the same. Names that differ only in case are the same name.",
        fix: "Give one of them another `schema` or `alias`.",
        example: None,
    },
    Code {
        name: "duplicate-test",
        stage: Stage::Graph,
        exits: &[2],
        title: "a test is declared twice",
        cause: "Two data tests have the same name, which is made of the test, the node, the column and the arguments.",
        fix: "Remove one, or give one of them a `name` of its own.",
        example: None,
    },
    Code {
        name: "missing-time-spine",
        stage: Stage::Graph,
        exits: &[2],
        title: "there is no table of all days",
        cause: "The project has semantic models. dbt's semantic layer wants a model with one row per day (or per hour, \
            or finer) to show metrics by.",
        fix: "Add such a model and give it a `time_spine`, or call it `metricflow_time_spine`.",
        example: Some(
            "models:
  - name: all_days
    time_spine: {standard_granularity_column: day}
    columns:
      - {name: day, granularity: day}",
        ),
    },
    Code {
        name: "private-ref",
        stage: Stage::Graph,
        exits: &[2],
        title: "a node refers to a model that is private to another group",
        cause: "The model says `access: private`: only nodes of its own group may refer to it.",
        fix: "Refer to a public or protected model of that group, put the node into the group, or widen the model's `access`.",
        example: None,
    },
    Code {
        name: "protected-ref",
        stage: Stage::Graph,
        exits: &[2],
        title: "a node refers to a protected model of another package",
        cause: "The package says `restrict-access: true`, so only its models with `access: public` may be used from outside.",
        fix: "Refer to a public model of the package.",
        example: None,
    },
    Code {
        name: "unknown-group",
        stage: Stage::Graph,
        exits: &[2],
        title: "a node is in a group that there is not",
        cause: "`group` names a group that no properties file describes.",
        fix: "Describe the group with its owner, or correct the name.",
        example: Some(
            "groups:
  - name: finance
    owner: {name: Finance, email: finance@example.com}",
        ),
    },
    Code {
        name: "unknown-measure",
        stage: Stage::Graph,
        exits: &[2],
        title: "a metric asks for a measure that there is not",
        cause: "No semantic model has a measure of the name, or the one that has it is disabled.",
        fix: "Correct the name, or add the measure to a semantic model.",
        example: None,
    },
    Code {
        name: "unknown-metric",
        stage: Stage::Graph,
        exits: &[2],
        title: "a metric is asked for that there is not",
        cause: "A metric, an exposure or a saved query names a metric that does not exist or is disabled, or a \
            metric belongs to a semantic model that is disabled.",
        fix: "Correct the name, add the metric, or enable it.",
        example: None,
    },
    Code {
        name: "unknown-ref",
        stage: Stage::Graph,
        exits: &[2],
        title: "a `ref` names nothing",
        cause: "No enabled model, seed or snapshot of the project or its packages has this name. The name is that of \
            the file, without folder and extension.",
        fix: "Correct the name, or add the model. A table from outside is read with `source`.",
        example: None,
    },
    Code {
        name: "unknown-source",
        stage: Stage::Graph,
        exits: &[2],
        title: "a `source` names nothing",
        cause: "No properties file describes the source, or the source has no such table.",
        fix: "Correct the name, or describe the table under `sources:` in a `.yml` file.",
        example: Some(
            "sources:
  - name: landing
    tables:
      - name: orders
        external: {location: 'landing/orders/*.csv'}",
        ),
    },
    Code {
        name: "unknown-version",
        stage: Stage::Graph,
        exits: &[2],
        title: "a `ref` asks for a version that there is not",
        cause: "The model exists, but not in the version that `ref('model', v=...)` names; or its latest version is disabled or \
            has no file.",
        fix: "Name one of its versions, which the message lists, or leave `v` out for the latest.",
        example: None,
    },
    Code {
        name: "upcoming-deprecation",
        stage: Stage::Graph,
        exits: &[0],
        title: "a model refers to one that will be deprecated",
        cause: "The model that is referred to has a `deprecation_date`, and it is near or far in the future.",
        fix: "Refer to a later version, or to what replaces the model, before that date.",
        example: None,
    },
];
