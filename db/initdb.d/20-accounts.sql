-- No account of the database is without a password. MariaDB's installation makes root@127.0.0.1 and root@::1 without one,
-- and older versions an anonymous account; a volume may have any of them, or one that trusts the name of a process's user
-- (unix_socket). Locked accounts (mariadb.sys) and roles cannot connect. db/start.sh runs this again at every start.
-- Each statement is on one line: https://mariadb.com/docs/server/server-management/variables-and-modes/server-system-variables#init_file
SELECT GROUP_CONCAT(QUOTE(User), '@', QUOTE(Host)) INTO @unprotected FROM mysql.global_priv WHERE NOT COALESCE(JSON_VALUE(Priv, '$.is_role'), FALSE) AND NOT COALESCE(JSON_VALUE(Priv, '$.account_locked'), FALSE) AND (COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') = '' OR JSON_SEARCH(Priv, 'one', 'unix_socket') IS NOT NULL);
EXECUTE IMMEDIATE IF(@unprotected IS NULL, 'DO 0', CONCAT('DROP USER ', @unprotected));
