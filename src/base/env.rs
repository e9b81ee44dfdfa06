//! The process environment, read once at the edge and passed on as a value.

use std::collections::BTreeMap;

/// A copy of the environment variables.
#[derive(Debug, Clone, Default)]
pub struct ProcessEnv(pub BTreeMap<String, String>);

impl ProcessEnv {
    /// Reads the environment of this process; values that are not Unicode are left out.
    pub fn read() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What the environment adds to the `metadata.env` of artifacts and to `dbt_metadata_envs`: the variables
    /// `DBT_ENV_CUSTOM_ENV_<name>`, by their names without that.
    pub fn custom(&self) -> BTreeMap<String, String> {
        let own = |name: &String| Some(name.strip_prefix("DBT_ENV_CUSTOM_ENV_")?.to_owned());
        self.0.iter().filter_map(|(name, value)| Some((own(name)?, value.clone()))).collect()
    }

    /// The value of the first of several names that is set and not empty: karat's own name, then dbt's.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().filter_map(|name| self.get(name)).find(|value| !value.is_empty())
    }
}

/// Variables that are not those of a flag, with what they mean, for the reference page.
pub const OTHER_VARIABLES: [(&str, &str); 10] = [
    (
        "KARAT_ENV_SECRET_*, DBT_ENV_SECRET_*",
        "Secrets: `env_var()` reads them in `profiles.yml` and in lists of packages only, and \
        whatever is printed, logged or written shows `*****` instead of their values.",
    ),
    ("DBT_ENV_CUSTOM_ENV_*", "Facts for the `metadata.env` of artifacts and for `dbt_metadata_envs`."),
    ("any other", "`env_var('NAME')` in templates reads it."),
    (
        "KARAT_PACKAGE_HUB_URL, DBT_PACKAGE_HUB_URL",
        "Address of the index that `deps` looks packages up in, instead of https://hub.getdbt.com/.",
    ),
    ("NO_COLOR", "Set to anything: no colors."),
    ("CLICOLOR_FORCE", "Set to anything but `0`: colors even where there is no terminal."),
    ("HOME, USERPROFILE", "Where `~/.karat` and `~/.dbt` are looked for."),
    ("HOSTNAME, COMPUTERNAME", "Name of the machine in the lock file."),
    (
        "AWS_*, AZURE_*, GOOGLE_*",
        "Not read: options of an object store stand in the target's `storage_options`, which \
        may say `env_var(...)`.",
    ),
    ("KARAT_FAILPOINT", "For tests of karat: makes a publication fail or crash at a step."),
];
