//! The command line and the machine's setup.

use super::{Code, Stage};

pub(super) const CODES: &[Code] = &[
    Code {
        name: "bad-selector",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "a selector cannot be understood",
        cause: "The text after `--select`, `--exclude` or `--selector`, or a definition in `selectors.yml`, follows \
            no rule of the selector language: an unknown method, a wrong combination of `@` and `+`, or a named \
            selector that does not exist.",
        fix: "Correct the place that is marked. Methods are written `method:value`, such as `tag:nightly`, \
            `path:models/gold` or `config.materialized:view`; parents and children are added with `+`, as in \
            `+orders` or `orders+1`.",
        example: None,
    },
    Code {
        name: "bad-state",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "an artifact of a state cannot be read",
        cause: "The folder of `--state` or `--defer-state` holds a file of the right name that is no such artifact: \
            it is damaged, larger than any artifact may be, or of a version that karat does not know.",
        fix: "Take the artifacts of karat, or of a dbt that writes manifest v12, run results v6 and sources v3.",
        example: None,
    },
    Code {
        name: "broken-contract",
        stage: Stage::CommandLine,
        exits: &[0, 2],
        title: "a contract that others rely on was broken since the state",
        cause: "`state:modified` and its like compare the contracts of models with those of the state. A column that \
            is gone or has another type, a constraint that is no longer enforced, or a model that is disabled or gone \
            breaks what was promised. Of a model with versions that is an error, of any other a warning.",
        fix: "Keep what was promised, or bring a new version of the model and give the old one a `deprecation_date`.",
        example: None,
    },
    Code {
        name: "cannot-listen",
        stage: Stage::CommandLine,
        exits: &[3],
        title: "a server could not begin",
        cause: "`karat docs serve` was refused the address and port that it was to listen on: another program has \
            the port, the address is not one of this machine, or ports of that kind need more rights.",
        fix: "Choose another port with `--port`; `--port 0` takes one that is free and prints it.",
        example: None,
    },
    Code {
        name: "clean-failed",
        stage: Stage::CommandLine,
        exits: &[3],
        title: "a folder could not be removed",
        cause: "`karat clean` was refused by the file system while it removed a folder.",
        fix: "Check the rights and the owner of the folder that is named, and that no other program holds files in it.",
        example: None,
    },
    Code {
        name: "clean-target-refused",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "`karat clean` would remove something that it must not",
        cause: "A folder of `clean-targets` lies outside the project, is the project itself, or holds the project's \
            own files or its warehouse.",
        fix: "List only folders that can be made again, such as `target`.",
        example: None,
    },
    Code {
        name: "file-exists",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "`karat init` found a project already",
        cause: "The folder that `karat init` was told to fill has a file of the same name, and `init` never \
            overwrites.",
        fix: "Choose another name, or remove the old folder.",
        example: None,
    },
    Code {
        name: "init-failed",
        stage: Stage::CommandLine,
        exits: &[3],
        title: "the new project could not be written",
        cause: "The file system refused to write a file of the new project.",
        fix: "Check the rights of the folder and the free space of the disk.",
        example: None,
    },
    Code {
        name: "interrupted",
        stage: Stage::CommandLine,
        exits: &[130, 143],
        title: "the run was ended while a query was still at work",
        cause: "After Ctrl-C or a signal karat waits a short time for its queries to stop; one of them did not.",
        fix: "Run again: published tables are whole, and what was not published is made anew.",
        example: None,
    },
    Code {
        name: "invalid-argument",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "an argument has a value that it cannot have",
        cause: "The value after a flag, or in an environment variable that stands for the flag, is not of the form \
            that the flag expects.",
        fix: "Give a value of the form that the message names; `karat VERB --help` lists all flags.",
        example: None,
    },
    Code {
        name: "no-documentation",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "there is no documentation yet",
        cause: "`karat docs serve` shows what `karat docs generate` has written below the target folder, and nothing \
            is there.",
        fix: "Run `karat docs generate` first, with the same target folder.",
        example: None,
    },
    Code {
        name: "no-log",
        stage: Stage::CommandLine,
        exits: &[0],
        title: "the log file cannot be written",
        cause: "karat could not create `karat.log`. The command goes on without it.",
        fix: "Check the rights of the log folder, or choose another one with `--log-path`.",
        example: None,
    },
    Code {
        name: "no-match",
        stage: Stage::CommandLine,
        exits: &[0],
        title: "a selector matches nothing",
        cause: "A criterion after `--select` or `--exclude` matches no enabled node. As under dbt this is a warning: \
            there may be nothing to do today.",
        fix: "List what there is with `karat ls`, and compare names, tags and paths. Use `--warn-error` where an \
            empty match must stop a job.",
        example: None,
    },
    Code {
        name: "no-profiles",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "there is no `profiles.yml` in the folder that was named",
        cause: "`--profiles-dir` or its environment variable names a folder without a `profiles.yml`.",
        fix: "Name the folder that holds the file, or leave the flag out: a project without profiles has the target \
            `dev`.",
        example: None,
    },
    Code {
        name: "no-project",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "there is no project here",
        cause: "Neither the folder nor one of its parents has a `project.yml` or a `dbt_project.yml`.",
        fix: "Change to the folder of a project, name it with `--project-dir`, or begin one with `karat init NAME`.",
        example: None,
    },
    Code {
        name: "no-state",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "there is no state to compare with or to defer to",
        cause: "A selector such as `state:modified`, `result:error` or `source_status:fresher`, `--defer` or `clone` \
            needs the artifacts of an earlier command, but no folder was given, or the folder lacks the file.",
        fix: "Keep `manifest.json` (and `run_results.json`, `sources.json`) of the earlier command in a folder and \
            name it with `--state`; the path is relative to the project.",
        example: None,
    },
    Code {
        name: "not-retriable",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "a node of the last command is gone",
        cause: "`karat retry` does again what the results of the last command name. A node that did not end well there \
            is no longer part of the project: it was renamed, removed or disabled, or a test was given other arguments, \
            which are part of its name.",
        fix: "Run the command again, with the selection that you want.",
        example: None,
    },
    Code {
        name: "nothing-selected",
        stage: Stage::CommandLine,
        exits: &[0],
        title: "there is nothing to do",
        cause: "After `--select`, `--exclude` and the kinds of node that the verb works on, no node is left.",
        fix: "Widen the selection, or use a verb for the kind that you mean: `karat build` works on all kinds.",
        example: None,
    },
    Code {
        name: "nothing-to-retry",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "there is no command to do again",
        cause: "`karat retry` reads the last command and its results from `run_results.json` in the target folder. \
            There is none, or it was written by a program that does not leave its arguments there.",
        fix: "Run `karat build`, `run`, `test`, `seed` or `snapshot`. Give `--target-path` if its results are in \
            another folder.",
        example: None,
    },
    Code {
        name: "shared-warehouse",
        stage: Stage::CommandLine,
        exits: &[0],
        title: "two targets write to one warehouse",
        cause: "Two targets of the profile have the same `path`, so tables of the same name would replace each other.",
        fix: "Give each target a `path` of its own.",
        example: None,
    },
    Code {
        name: "unknown-code",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "there is no such diagnostic code",
        cause: "`karat explain` was asked for a code that karat does not have. The code of an error stands in \
            brackets behind `error`.",
        fix: "Correct the name; `karat explain` alone lists all codes.",
        example: None,
    },
    Code {
        name: "unknown-profile",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "the profile does not exist",
        cause: "The project file or `--profile` names a profile that `profiles.yml` does not have.",
        fix: "Use one of the profiles that the message lists, or add the missing one.",
        example: None,
    },
    Code {
        name: "unknown-target",
        stage: Stage::CommandLine,
        exits: &[2],
        title: "the target does not exist",
        cause: "`--target` or the profile's `target:` names an output that the profile does not have. Without a \
            `profiles.yml` the only target is `dev`.",
        fix: "Use one of the outputs that are there, or describe the new one under `outputs:` in `profiles.yml`.",
        example: None,
    },
    Code {
        name: "unprintable",
        stage: Stage::CommandLine,
        exits: &[1],
        title: "the result cannot be printed in this form",
        cause: "A value of the result has no form in the output that was asked for.",
        fix: "Cast the column to a text in the query, or choose another `--output`.",
        example: None,
    },
];
