// OpCases
