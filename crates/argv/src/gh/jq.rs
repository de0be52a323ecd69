//! Whether a jq filter can see the environment: gh gives its filters every variable, as `env` and `$ENV`.

/// True when the filter names `env` or `$ENV` outside of a string, or could do so in a way that is not followed here.
pub(super) fn sees_environment(filter: &str) -> bool {
    let mut previous = ' ';
    let mut word = String::new();
    let mut before_word = ' ';
    // Inside strings only interpolation is code. Following its nesting, escaped quotes, or quotes in comments is not
    // worth a mistake, so a filter with any of them is searched whole, strings included.
    let whole = filter.contains(['\\', '#']);
    let mut in_string = false;
    for c in filter.chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            if word.is_empty() {
                before_word = previous;
            }
            word.push(c);
        } else {
            if !in_string && names_environment(&word, before_word) {
                return true;
            }
            word.clear();
        }
        if !whole && c == '"' {
            in_string = !in_string;
        }
        previous = c;
    }
    false
}

/// `.env` is a field; `env`, `$ENV` and `$__prog_args` are not.
fn names_environment(word: &str, before: char) -> bool {
    match word {
        "env" => before != '.',
        "ENV" => before == '$',
        // Modules could bring in anything.
        "include" | "import" => before != '.' && before != '$',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::sees_environment;

    #[test]
    fn the_environment_is_seen_and_fields_are_not() {
        for filter in [
            "env",
            "$ENV",
            "$ENV.HOME",
            ".[]|env.X",
            ".a | $ENV",
            "\"\\(env.X)\"",
            "[env|keys]",
            "{a:env}",
            "{$ENV}",
            ".a # \" in a comment\n| env",
            "\"\\\\\", env.X",
            "\"a\\\"\" | env",
        ] {
            assert!(sees_environment(filter), "{filter}");
        }
        for filter in [
            ".[].title",
            ".env",
            ".[] | .env.x",
            "\"env\"",
            ".environment",
            "length",
            ".x as $ENVS | $ENVS",
        ] {
            assert!(!sees_environment(filter), "{filter}");
        }
    }
}
