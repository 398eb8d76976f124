"""A reader of YAML that is stricter than others."""

import yaml


class NoDoubles(yaml.SafeLoader):
    """Refuses a mapping with a key that is there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(set(keys)) == len(keys), keys
        return super().construct_mapping(node, deep)
