//! All commands, by name.

use super::spec::Command;
use super::{
    auth, client, command, config, dbsize, del, echo, exists, expire, flush, get, hash_read, hash_write,
    hello, incr, info, keys, mget, mset, ping, quit, reset, scan, select, set, set_read, set_write, setex,
    strlen, time, ttl, type_, wait,
};

/// In the order of their names.
pub(crate) static TABLE: &[Command] = &[
    auth::AUTH,
    client::CLIENT,
    command::COMMAND,
    config::CONFIG,
    dbsize::DBSIZE,
    incr::DECR,
    incr::DECRBY,
    del::DEL,
    echo::ECHO,
    exists::EXISTS,
    expire::EXPIRE,
    expire::EXPIREAT,
    ttl::EXPIRETIME,
    flush::FLUSHALL,
    flush::FLUSHDB,
    get::GET,
    get::GETDEL,
    hash_write::HDEL,
    hello::HELLO,
    hash_read::HEXISTS,
    hash_read::HGET,
    hash_read::HGETALL,
    hash_read::HKEYS,
    hash_read::HLEN,
    hash_read::HMGET,
    hash_write::HMSET,
    hash_write::HSET,
    hash_write::HSETNX,
    hash_read::HSTRLEN,
    hash_read::HVALS,
    incr::INCR,
    incr::INCRBY,
    info::INFO,
    keys::KEYS,
    mget::MGET,
    mset::MSET,
    mset::MSETNX,
    expire::PERSIST,
    expire::PEXPIRE,
    expire::PEXPIREAT,
    ttl::PEXPIRETIME,
    ping::PING,
    setex::PSETEX,
    ttl::PTTL,
    quit::QUIT,
    reset::RESET,
    set_write::SADD,
    scan::SCAN,
    set_read::SCARD,
    select::SELECT,
    set::SET,
    setex::SETEX,
    setex::SETNX,
    set_read::SISMEMBER,
    set_read::SMEMBERS,
    set_read::SMISMEMBER,
    set_write::SREM,
    strlen::STRLEN,
    time::TIME,
    ttl::TTL,
    type_::TYPE,
    del::UNLINK,
    wait::WAIT,
];

/// Longest name of a command, in bytes.
const NAME_BYTES_MAX: usize = 16;

/// The place in the table and the command of this name, in any case.
pub(crate) fn find(name: &[u8]) -> Option<(usize, &'static Command)> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let place = TABLE.binary_search_by(|command| command.name.as_bytes().cmp(lower)).ok()?;
    Some((place, &TABLE[place]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_names() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn names_are_found_in_any_case() {
        for (place, command) in TABLE.iter().enumerate() {
            assert!(command.name.len() <= NAME_BYTES_MAX && !command.summary.is_empty(), "{}", command.name);
            assert_eq!(find(command.name.to_ascii_uppercase().as_bytes()).map(|(at, _)| at), Some(place));
        }
        for unknown in [&b""[..], b"ge", b"gett", b"averyverylongcommandname"] {
            assert!(find(unknown).is_none());
        }
    }
}
