"""The IMS API of Huawei Cloud and Open Telekom Cloud. Its own shapes: `wire.py`, `errors.py`."""
