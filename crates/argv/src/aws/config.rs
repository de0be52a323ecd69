//! aws's `config` and `credentials` files, as far as they say where a command goes: each profile's region.
//!
//! aws reads them with Python's configparser; whatever that might read differently is not read here at all.

use crate::{Effect, Invocation};
use std::collections::BTreeMap;

/// Both files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsConfig {
    /// Each profile's region.
    regions: BTreeMap<String, Option<String>>,
    /// Whether something in them starts a program, which may look for the same files.
    pub starts_programs: bool,
}

impl AwsConfig {
    /// Reads the texts of `config` and `credentials`, empty where there is none. `None` when it is not certain that aws reads them
    /// the same way.
    pub fn read(config: &str, credentials: &str) -> Option<AwsConfig> {
        let mut found = AwsConfig::default();
        found.take(config, |section| {
            if section == "default" {
                return Some("default");
            }
            section.strip_prefix("profile ").map(str::trim_start)
        })?;
        // What a profile says here goes before what it says there.
        found.take(credentials, Some)?;
        Some(found)
    }

    fn take<'t>(&mut self, text: &'t str, profile_of: impl Fn(&'t str) -> Option<&'t str>) -> Option<()> {
        let mut seen = Vec::new();
        let mut keys: Vec<String> = Vec::new();
        let mut profile: Option<&str> = None;
        let mut began = false;
        for line in text.lines() {
            let bare = line.trim();
            if bare.is_empty() || bare.starts_with(['#', ';']) {
                continue;
            }
            self.starts_programs |= bare.contains("credential_process") || bare.starts_with("[plugins");
            if line.starts_with([' ', '\t']) {
                // It belongs to the value before; a region has one line.
                if keys.last().is_none_or(|key| key == "region") {
                    return None;
                }
                continue;
            }
            if let Some(inner) = bare.strip_prefix('[') {
                let section = inner.strip_suffix(']')?;
                // A default for all sections, and names in quotes.
                let plain = section != "DEFAULT" && !section.contains(['[', ']', '"', '\'', '\\', '\t']);
                if !plain || seen.contains(&section) {
                    return None;
                }
                seen.push(section);
                keys.clear();
                (profile, began) = (profile_of(section), true);
                if let Some(profile) = profile {
                    self.regions.entry(profile.to_owned()).or_default();
                }
                continue;
            }
            let (key, value) = bare.split_once(['=', ':'])?;
            let key = key.trim().to_ascii_lowercase();
            if !began || keys.contains(&key) {
                return None;
            }
            if let Some(profile) = profile.filter(|_| key == "region") {
                let region = value.trim();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                if region.is_empty() || !region.bytes().all(plain) {
                    return None;
                }
                self.regions.insert(profile.to_owned(), Some(region.to_owned()));
            }
            keys.push(key);
        }
        Some(())
    }

    /// Puts the profile and the region that aws would take on every operation that does not name its own.
    pub fn resolve(&self, invocation: &mut Invocation) {
        for operation in &mut invocation.operations {
            if operation.effect == Effect::Local {
                continue;
            }
            let scope = &mut operation.scope;
            let profile = scope.profile.get_or_insert_with(|| "default".to_owned());
            if scope.region.is_none() {
                scope.region = self.regions.get(profile).cloned().flatten();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Surroundings, aws};

    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\noutput = json\n\n[profile prod]\nregion=us-east-1\ns3 =\n  region = not-this\n[profile plain]\n[sso-session x]\nregion = no\n";

    fn place(config: &AwsConfig, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut invocation = aws::parse(&words, &Surroundings::default()).unwrap();
        config.resolve(&mut invocation);
        let scope = &invocation.operations[0].scope;
        format!(
            "{} {}",
            scope.profile.as_deref().unwrap_or("-"),
            scope.region.as_deref().unwrap_or("-")
        )
    }

    #[test]
    fn profile_and_region_are_what_aws_takes() {
        let config = AwsConfig::read(
            CONFIG,
            "[prod]\naws_access_key_id = A\n[other]\nregion = ap-south-1\n",
        )
        .unwrap();
        let line = "ec2 describe-instances";
        assert_eq!(place(&config, line), "default eu-west-1");
        assert_eq!(
            place(&config, &format!("{line} --profile prod")),
            "prod us-east-1"
        );
        assert_eq!(place(&config, &format!("{line} --profile plain")), "plain -");
        assert_eq!(place(&config, &format!("{line} --profile gone")), "gone -");
        assert_eq!(
            place(&config, &format!("{line} --profile other")),
            "other ap-south-1"
        );
        assert_eq!(
            place(&config, &format!("{line} --profile prod --region x-1")),
            "prod x-1"
        );
        let both = AwsConfig::read(CONFIG, "[default]\nregion = us-west-2\n").unwrap();
        assert_eq!(place(&both, line), "default us-west-2");
        assert!(!config.starts_programs);
    }

    #[test]
    fn what_is_unclear_is_not_guessed() {
        for text in [
            "[DEFAULT]\nregion = a\n",
            "[default]\nregion = a\nregion = b\n",
            "[default]\nregion = a\n[default]\nregion = b\n",
            "[default]\nregion = a\n  b\n",
            "[default]\nregion = a/b\n",
            "[default]\nregion =\n",
            "[profile \"a b\"]\nregion = a\n",
            "region = a\n",
            "[default\n",
        ] {
            assert_eq!(AwsConfig::read(text, ""), None, "{text:?}");
        }
        assert!(
            AwsConfig::read("[default]\ncredential_process = x\n", "")
                .unwrap()
                .starts_programs
        );
        assert!(AwsConfig::read("[plugins]\nx = y\n", "").unwrap().starts_programs);
    }
}
