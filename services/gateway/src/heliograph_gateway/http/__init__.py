"""HTTP basics that every feature uses: problems, responses, bodies, parameters, cursors. Knows no feature."""
