"""Every file of cloud-config-examples, as a person would copy it."""
