#!/usr/bin/env python3
"""Writes crates/argv/data/psql_functions.tsv: PostgreSQL's own functions that change nothing and run nothing; and
psql_keywords.tsv: the words that can be no function's name without quotes; and psql_calls.tsv: the functions that do more and
can be called without brackets, as `x.name`.

Usage: psql_functions.py [psql options that reach a server, as its superuser]

Taken are the names in pg_catalog of which every overload is immutable or stable, except procedures and what only the server
itself calls, and except EXCEPT below; then REVIEWED, which are volatile (or of newer versions, or of the grammar, or of a
contributed extension) and only look. The first line of the file says which server it was.
"""

import subprocess
import sys
from pathlib import Path

QUERY = """
with f as (
  select proname,
         bool_and(provolatile in ('i', 's')) as quiet,
         bool_and(prokind <> 'p') as callable,
         bool_or(prorettype in ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype,
                                'language_handler'::regtype, 'fdw_handler'::regtype, 'index_am_handler'::regtype,
                                'tsm_handler'::regtype, 'table_am_handler'::regtype)
                 or 'internal'::regtype = any (proargtypes)) as inner_use
  from pg_proc where pronamespace = 'pg_catalog'::regnamespace group by 1)
select proname from f where quiet and callable and not inner_use
"""

# Called stable, and yet: reads any setting or any table by a name in a string, or takes a transaction number.
EXCEPT = """
current_setting pg_current_xact_id txid_current
cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema
schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema table_to_xml table_to_xml_and_xmlschema table_to_xmlschema
pg_get_replication_slots pg_stat_get_subscription
""".split()

REVIEWED = """
array_sample array_shuffle any_value casefold clock_timestamp coalesce current_query date_add date_subtract
gen_random_uuid greatest grouping json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar
json_serialize json_value least merge_action nullif pg_blocking_pids pg_collation_actual_version pg_control_checkpoint
pg_control_init pg_control_recovery pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn
pg_current_wal_lsn pg_database_collation_actual_version pg_database_size pg_get_backend_memory_contexts
pg_get_shmem_allocations pg_get_wal_replay_pause_state pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused
pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
pg_lock_status pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_relation_size
pg_replication_origin_progress pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_show_replication_origin_status
pg_stat_get_io pg_stat_get_recovery_prefetch pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit
pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time
pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched
pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_returned
pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_stat_statements pg_stat_statements_info pg_table_size
pg_tablespace_size pg_total_relation_size pg_xact_commit_timestamp pg_xact_status pgstatindex pgstattuple
pgstattuple_approx random random_normal row timeofday txid_status unicode_version uuidv4 uuidv7 xmlconcat xmlelement
xmlforest xmlparse xmlpi xmlroot xmlserialize
""".split()


# `x.name` calls a function of one argument, or of more where they have defaults or any number may be given. Nobody can hand over
# an `internal`. Those of every extension that is at hand count too, where they are not immutable (`latitude` and `sort` are, and
# are columns of many tables); the extensions are not kept.
CALLS = """
begin;
do $$ declare it text; begin
  for it in select name from pg_available_extensions order by 1 loop
    begin execute format('create extension if not exists %I cascade', it); exception when others then null; end;
  end loop;
end $$;
select distinct proname from pg_proc
where prokind <> 'p' and pronargs > 0 and (pronargs - pronargdefaults <= 1 or provariadic <> 0)
  and 'internal'::regtype <> all (proargtypes)
  and (provolatile <> 'i' or pronamespace = 'pg_catalog'::regnamespace);
rollback
"""

# As above, of other versions than the server's.
CALLS_ELSEWHERE = """
pg_buffercache_evict pg_clear_attribute_stats pg_clear_relation_stats pg_restore_attribute_stats pg_restore_relation_stats
pg_start_backup pg_stat_reset_backend_stats pg_stop_backup pg_stat_reset_single_table_counters
""".split()


def ask(query: str) -> list[str]:
    command = ["psql", "-X", "-A", "-t", "-q", *sys.argv[1:], "-c", query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")


def main() -> None:
    version = ask("show server_version_num")[0]
    names = {name for name in ask(QUERY) if name} - set(EXCEPT) | set(REVIEWED)
    target = Path(__file__).parent.parent / "crates/argv/data/psql_functions.tsv"
    head = f"# made by scripts/psql_functions.py from server version {version}; sorted by bytes\n"
    target.write_text(head + "".join(f"{name}\n" for name in sorted(names, key=str.encode)))
    print(f"{target.name}: {len(names)} functions", file=sys.stderr)
    calls = {name for name in ask(CALLS) if name} - names | set(CALLS_ELSEWHERE)
    others = target.with_name("psql_calls.tsv")
    others.write_text(head + "".join(f"{name}\n" for name in sorted(calls, key=str.encode)))
    print(f"{others.name}: {len(calls)} functions", file=sys.stderr)
    words = {word for word in ask("select word from pg_get_keywords() where catcode in ('R', 'C')") if word}
    keywords = target.with_name("psql_keywords.tsv")
    keywords.write_text(head + "".join(f"{word}\n" for word in sorted(words, key=str.encode)))
    print(f"{keywords.name}: {len(words)} words", file=sys.stderr)


main()
