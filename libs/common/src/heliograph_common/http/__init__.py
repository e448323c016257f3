"""What HTTP services answer alike: problem documents and the reading of bearer tokens. Knows no route."""
