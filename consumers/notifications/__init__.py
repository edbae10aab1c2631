"""Notifications: e-mails in Italian and English about tickets, blocks, instalments and renunciations, each sent once.

`agenda` says what there is to tell (pure), `outbox` keeps what was and will be told, `directory` whom it goes to,
`letter` writes it from the templates, `post` hands it to the mail server, `service` joins them to the topics.
"""
