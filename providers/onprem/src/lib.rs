//! What a data centre already runs: PostgreSQL, MariaDB, VictoriaLogs, Prometheus and Caddy.
