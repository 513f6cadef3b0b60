import { Argument, type Command } from 'commander'

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a shell’s completion: eval "$(roslin completion bash)"')
    .addArgument(new Argument('<shell>', 'for which shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell) => (await import('../actions/completion.ts')).printCompletion(program, shell))
}
