"""PostgreSQL: tables, migrations, transactions, and the statements that more than one service needs."""
