"""`openstack image share …` and `openstack image family …`: commands of python-openstackclient.

It finds them by the entry points of this package. They add what `openstack` lacks, over the rest of
`transom/client`. Nothing else imports this; where openstackclient is not installed, it costs nothing.
"""
