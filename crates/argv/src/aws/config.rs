//! aws's `config` and `credentials` files, as far as they say where a command goes: each profile's region and account.
//!
//! aws reads them with Python's configparser; whatever that might read differently is not read here at all.

use crate::{Effect, Invocation, Surroundings};
use std::collections::BTreeMap;

/// Both files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsConfig {
    profiles: BTreeMap<String, Profile>,
    /// Whether something in them starts a program, which may look for the same files.
    pub starts_programs: bool,
}

/// What a profile says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Profile {
    region: Option<String>,
    /// The role that it takes on, if any.
    role: Option<String>,
    /// The account of a single sign-on, or the one that is written beside the keys.
    account: Option<String>,
}

/// Keys that count here; each has one line.
const COUNTING: [&str; 4] = ["region", "role_arn", "sso_account_id", "aws_account_id"];

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
                // It belongs to the value before.
                if keys.last().is_none_or(|key| COUNTING.contains(&key.as_str())) {
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
                    self.profiles.entry(profile.to_owned()).or_default();
                }
                continue;
            }
            let (key, value) = bare.split_once(['=', ':'])?;
            let key = key.trim().to_ascii_lowercase();
            if !began || keys.contains(&key) {
                return None;
            }
            if let Some(profile) = profile.filter(|_| COUNTING.contains(&key.as_str())) {
                let value = value.trim();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-:/+=,.@_".contains(&byte);
                if value.is_empty()
                    || !value.bytes().all(plain)
                    || key == "region" && value.contains([':', '/'])
                {
                    return None;
                }
                let found = self.profiles.entry(profile.to_owned()).or_default();
                let place = match key.as_str() {
                    "region" => &mut found.region,
                    "role_arn" => &mut found.role,
                    _ => &mut found.account,
                };
                *place = Some(value.to_owned());
            }
            keys.push(key);
        }
        Some(())
    }

    /// Puts the profile, the region and the account that aws would take on every operation that does not name its own. With
    /// credentials in the environment, which go before most of what is here, the account stays unknown.
    pub fn resolve(&self, invocation: &mut Invocation, around: &Surroundings) {
        let has_keys = ["AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]
            .iter()
            .any(|name| around.variable(name).is_some());
        for operation in &mut invocation.operations {
            if operation.effect == Effect::Local {
                continue;
            }
            let scope = &mut operation.scope;
            let name = scope.profile.get_or_insert_with(|| "default".to_owned());
            let Some(profile) = self.profiles.get(name) else {
                continue;
            };
            scope.region = scope.region.take().or_else(|| profile.region.clone());
            if !has_keys {
                scope.account = profile.account();
            }
        }
    }
}

impl Profile {
    /// `arn:aws:iam::ACCOUNT:role/x`; a role goes before everything else.
    fn account(&self) -> Option<String> {
        let account = match &self.role {
            Some(role) => role.split(':').nth(4),
            None => self.account.as_deref(),
        };
        let is_account = |text: &&str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        account.filter(is_account).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws;

    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\noutput = json\n\n[profile prod]\nregion=us-east-1\ns3 =\n  region = not-this\n[profile plain]\n[sso-session x]\nregion = no\n";

    fn place(config: &AwsConfig, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut invocation = aws::parse(&words, &Surroundings::default()).unwrap();
        config.resolve(&mut invocation, &Surroundings::default());
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
    fn the_account_is_the_roles_or_the_one_that_is_written_down() {
        let text = "[default]\nregion = a\n[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\nsso_account_id = 999999999999\n[profile sso]\nsso_account_id = 210987654321\n[profile odd]\nsso_account_id = 2109\n";
        let config = AwsConfig::read(text, "[keys]\naws_account_id = 111111111111\n").unwrap();
        let account = |profile: &str, around: &Surroundings| {
            let words = format!("ec2 describe-instances --profile {profile}");
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let mut invocation = aws::parse(&words, around).unwrap();
            config.resolve(&mut invocation, around);
            invocation.operations[0].scope.account.clone()
        };
        let around = Surroundings::default();
        assert_eq!(account("role", &around).as_deref(), Some("123456789012"));
        assert_eq!(account("sso", &around).as_deref(), Some("210987654321"));
        assert_eq!(account("keys", &around).as_deref(), Some("111111111111"));
        assert_eq!(account("odd", &around), None);
        assert_eq!(account("default", &around), None);
        let keys = Surroundings {
            environment: [("AWS_ACCESS_KEY_ID".to_owned(), "AKIDEXAMPLE".to_owned())].into(),
            ..Surroundings::default()
        };
        assert_eq!(account("sso", &keys), None, "the environment's own go before it");
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
