# Completions of ctl for PowerShell. `ctl complete` says what the last word can become.
Register-ArgumentCompleter -Native -CommandName ctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { "$_" }
    })
    if ($wordToComplete -eq '') { $words += '' }
    & (Get-Command ctl -CommandType Application | Select-Object -First 1) complete -- @words 2>$null | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        $text = if ($value -match "[\s'`"``()\[\]{};,|&<>@#$]") { "'" + $value.Replace("'", "''") + "'" } else { $value }
        [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $help)
    }
}
