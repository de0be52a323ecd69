//! Whether a query language statement can only read.

/// Whether `text` is one `SELECT` and nothing else. Anything unusual is not: comments, a second statement.
pub(super) fn only_selects(text: &str) -> bool {
    let text = text.trim();
    let body = text.strip_suffix(';').unwrap_or(text);
    let verb: String = body.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    verb.eq_ignore_ascii_case("select") && !body.contains(';') && !body.contains("--") && !body.contains("/*")
}

#[cfg(test)]
mod tests {
    use super::only_selects;

    #[test]
    fn only_a_plain_select_reads() {
        for text in [
            "SELECT * FROM \"t\"",
            " select 1;",
            "Select a from b where c='delete'",
        ] {
            assert!(only_selects(text), "{text}");
        }
        for text in [
            "DELETE FROM t",
            "",
            "selection",
            "INSERT INTO t VALUE {}",
            "select 1; delete from t",
            "/* select */ delete",
            "file://select.sql",
            "UNLOAD (SELECT 1) TO 's3://x'",
            "with x as (select 1) select * from x",
        ] {
            assert!(!only_selects(text), "{text}");
        }
    }
}
